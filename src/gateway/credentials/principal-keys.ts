import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { z } from 'zod';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { withFileLock } from './file-lock.ts';
import { KeyCipher } from './key-cipher.ts';
import { PrivateFile } from './private-file.ts';

const SALT_BYTES = 16;

const contentSchema = z.object({
  version: z.literal(1),
  /** Salt of the key that is derived from CREDENTIALS_KEY. */
  salt: z.base64(),
  keys: z.array(
    z.object({ principal: z.string(), sealed: z.base64(), added_at: z.iso.datetime() }),
  ),
});
type Content = z.output<typeof contentSchema>;

/** Secrets by name, encrypted in a file of DATA_DIR, such as the API keys of principals. */
export class PrincipalKeys {
  readonly #file: PrivateFile<Content>;
  readonly #passphrase: string | undefined;
  #cipher: { salt: string; cipher: KeyCipher } | undefined;

  constructor(
    config: Pick<Config, 'DATA_DIR' | 'CREDENTIALS_KEY'>,
    file: 'credentials.json' | 'git-credentials.json' = 'credentials.json',
  ) {
    this.#file = new PrivateFile(path.join(config.DATA_DIR, file), contentSchema);
    this.#passphrase = config.CREDENTIALS_KEY;
  }

  /** Principals with a key, by name. Throws `credentials_unreadable`. */
  list(): { principal: string; addedAt: string }[] {
    const keys = this.#read()?.keys ?? [];
    return keys
      .map(({ principal, added_at }) => ({ principal, addedAt: added_at }))
      .sort((one, other) => one.principal.localeCompare(other.principal));
  }

  /** Throws `credentials_unreadable`, so that nobody else pays if the key cannot be read. */
  find(principal: string): string | undefined {
    const content = this.#read();
    const entry = content?.keys.find((each) => each.principal === principal);
    return content && entry && this.#open(content, entry);
  }

  /** Stores a key, replacing an earlier one. Throws `credentials_unreadable`. */
  async set(principal: string, key: string): Promise<void> {
    await this.#change((content) => {
      // All keys must open with one passphrase.
      for (const entry of content.keys.slice(0, 1)) this.#open(content, entry);
      const sealed = this.#cipherOf(content).seal(key, principal);
      const others = content.keys.filter((each) => each.principal !== principal);
      return [...others, { principal, sealed, added_at: new Date().toISOString() }];
    });
  }

  /** Returns whether it existed. */
  async remove(principal: string): Promise<boolean> {
    let removed = false;
    await this.#change(({ keys }) => {
      const others = keys.filter((each) => each.principal !== principal);
      removed = others.length < keys.length;
      return others;
    });
    return removed;
  }

  async #change(change: (content: Content) => Content['keys']): Promise<void> {
    this.#file.makeDirectory();
    await withFileLock(this.#file.path, async () => {
      const salt = () => randomBytes(SALT_BYTES).toString('base64');
      const content = this.#read() ?? { version: 1 as const, salt: salt(), keys: [] };
      this.#file.write({ ...content, keys: change(content) });
    });
  }

  #read(): Content | undefined {
    const content = this.#file.read();
    if (content || !this.#file.exists) return content;
    throw unreadable(`${this.#file.path} is damaged.`);
  }

  #open(content: Content, { principal, sealed }: Content['keys'][number]): string {
    const key = this.#cipherOf(content).open(sealed, principal);
    if (key !== undefined) return key;
    throw unreadable(`${this.#file.path} was written with another CREDENTIALS_KEY.`);
  }

  #cipherOf({ salt }: Content): KeyCipher {
    if (this.#cipher?.salt === salt) return this.#cipher.cipher;
    if (this.#passphrase === undefined) {
      throw unreadable('CREDENTIALS_KEY is not set, and stored secrets need it.');
    }
    const cipher = new KeyCipher(this.#passphrase, Buffer.from(salt, 'base64'));
    this.#cipher = { salt, cipher };
    return cipher;
  }
}

function unreadable(message: string): AppError {
  return new AppError('credentials_unreadable', message);
}
