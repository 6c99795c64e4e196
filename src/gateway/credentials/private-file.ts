import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { z } from 'zod';

const OWNER_ONLY = 0o600;
const OWNER_ONLY_DIRECTORY = 0o700;

/** A JSON file with secrets that only its owner can read, and that other processes change too. */
export class PrivateFile<T> {
  readonly path: string;
  readonly #schema: z.ZodType<T>;
  #identity: string | undefined;
  #content: T | undefined;

  constructor(file: string, schema: z.ZodType<T>) {
    this.path = file;
    this.#schema = schema;
  }

  get exists(): boolean {
    return this.#identify() !== undefined;
  }

  /** The content of the file; the same object until the file changes, undefined if there is no file. */
  read(): T | undefined {
    const identity = this.#identify();
    if (identity === undefined) {
      this.#identity = undefined;
      this.#content = undefined;
    } else if (identity !== this.#identity) {
      const content = this.#parse();
      // The Codex CLI writes into its file, so a read may see half of it.
      if (content === undefined) return this.#content;
      this.#identity = identity;
      this.#content = content;
    }
    return this.#content;
  }

  /** Replaces the file atomically. */
  write(content: T): void {
    const text = `${JSON.stringify(content, undefined, 2)}\n`;
    const next = path.join(path.dirname(this.path), `.${path.basename(this.path)}.${randomUUID()}`);
    try {
      fs.writeFileSync(next, text, { mode: OWNER_ONLY, flag: 'wx', flush: true });
      fs.renameSync(next, this.path);
    } catch (error) {
      fs.rmSync(next, { force: true });
      // A file that is a mount of its own cannot be replaced, and losing the new refresh token is worse.
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
      fs.writeFileSync(this.path, text, { mode: OWNER_ONLY, flush: true });
    }
  }

  remove(): void {
    fs.rmSync(this.path, { force: true });
  }

  makeDirectory(): void {
    const directory = path.dirname(this.path);
    fs.mkdirSync(directory, { recursive: true, mode: OWNER_ONLY_DIRECTORY });
  }

  #identify(): string | undefined {
    const stat = fs.statSync(this.path, { bigint: true, throwIfNoEntry: false });
    return stat && `${stat.ino} ${stat.mtimeNs} ${stat.size}`;
  }

  #parse(): T | undefined {
    try {
      return this.#schema.safeParse(JSON.parse(fs.readFileSync(this.path, 'utf8'))).data;
    } catch {
      return undefined;
    }
  }
}
