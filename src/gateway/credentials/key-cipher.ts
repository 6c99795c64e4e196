import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts secrets with a key that is derived from a passphrase, which takes 50 ms. */
export class KeyCipher {
  readonly #key: Buffer;

  constructor(passphrase: string, salt: Buffer) {
    this.#key = scryptSync(passphrase, salt, KEY_BYTES);
  }

  /** Returns base64 of nonce, tag and ciphertext, which opens for the same owner only. */
  seal(secret: string, owner: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce).setAAD(Buffer.from(owner));
    const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
  }

  /** Undefined if the text was sealed with another key or for another owner, or was changed. */
  open(sealed: string, owner: string): string | undefined {
    try {
      const bytes = Buffer.from(sealed, 'base64');
      const nonce = bytes.subarray(0, NONCE_BYTES);
      const tag = bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
      const options = { authTagLength: TAG_BYTES };
      const cipher = createDecipheriv(ALGORITHM, this.#key, nonce, options);
      cipher.setAAD(Buffer.from(owner)).setAuthTag(tag);
      const text = cipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES));
      return Buffer.concat([text, cipher.final()]).toString();
    } catch {
      return undefined;
    }
  }
}
