import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DATABASE_VERSION } from './migrations.ts';
import { DATABASE_FILE, SqliteStore } from './sqlite-store.ts';

const PREFIX = '.doctor-';
/** Older copies are left by killed processes. */
const STALE_MS = 3_600_000;
const ATTEMPTS = 20;
/** Changes when the write-ahead log restarts. */
const LOG_HEADER_BYTES = 32;
const SHOWN_PROBLEMS = 5;

export type DatabaseState = {
  version: number;
  /** The version that this server migrates to. */
  newest: number;
  /** Problems that SQLite finds. */
  problems: string[];
};

/**
 * A consistent copy of the database of a directory. A running server locks its database, so others read
 * a copy, without disturbing the server.
 */
export class DatabaseCopy implements Disposable {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Undefined if there is no database. Throws if the files cannot be read or copied. */
  static take(directory: string): DatabaseCopy | undefined {
    if (!fs.existsSync(path.join(directory, DATABASE_FILE))) return undefined;
    removeStale(directory);
    const target = fs.mkdtempSync(path.join(directory, PREFIX));
    try {
      copyAtOneMoment(directory, target);
      return new DatabaseCopy(target);
    } catch (error) {
      fs.rmSync(target, { recursive: true, force: true });
      throw error;
    }
  }

  /** Throws if the file is not a database. */
  inspect(): DatabaseState {
    using database = new DatabaseSync(path.join(this.#directory, DATABASE_FILE));
    const version = Number(database.prepare('PRAGMA user_version').get()?.user_version);
    const rows = database.prepare(`PRAGMA integrity_check(${SHOWN_PROBLEMS})`).all();
    const found = rows.map(({ integrity_check }) => String(integrity_check));
    const dangling = database.prepare('PRAGMA foreign_key_check').all().length;
    return {
      version,
      newest: DATABASE_VERSION,
      problems: [
        ...found.filter((line) => line !== 'ok'),
        ...(dangling > 0 ? [`${dangling} rows refer to rows that are gone`] : []),
      ],
    };
  }

  /** The copy as a store; writes to it are lost. */
  open(): SqliteStore {
    return SqliteStore.open(this.#directory);
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.#directory, { recursive: true, force: true });
  }
}

/**
 * Copies the log last: a checkpoint meanwhile leaves its pages in both. Only a log that restarted
 * between the two copies lacks pages.
 */
function copyAtOneMoment(directory: string, target: string): void {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const before = generation(directory);
    copy(directory, target, DATABASE_FILE);
    copy(directory, target, `${DATABASE_FILE}-wal`);
    if (generation(target) === before && generation(directory) === before) return;
  }
  throw new Error('the database changes too fast to be copied');
}

/** Identifies the log while it is only appended to; without a log nothing is written. */
function generation(directory: string): string {
  const file = path.join(directory, `${DATABASE_FILE}-wal`);
  if (!fs.existsSync(file)) return '';
  const descriptor = fs.openSync(file, 'r');
  try {
    const header = Buffer.alloc(LOG_HEADER_BYTES);
    fs.readSync(descriptor, header);
    return header.toString('hex');
  } finally {
    fs.closeSync(descriptor);
  }
}

function copy(directory: string, target: string, name: string): void {
  const file = path.join(target, name);
  fs.rmSync(file, { force: true });
  if (!fs.existsSync(path.join(directory, name))) return;
  fs.copyFileSync(path.join(directory, name), file, fs.constants.COPYFILE_FICLONE);
}

function removeStale(directory: string): void {
  for (const name of fs.readdirSync(directory).filter((each) => each.startsWith(PREFIX))) {
    const file = path.join(directory, name);
    const age = Date.now() - (fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > STALE_MS) fs.rmSync(file, { recursive: true, force: true });
  }
}
