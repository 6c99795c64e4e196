import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../errors.ts';

/** Longer than one renewal takes, which is what the holder does. */
const WAIT_LIMIT_MS = 30_000;
const LOOK_AGAIN_MS = 50;

/**
 * Lets one process at a time change a file of credentials. SQLite locks the file beside it through the kernel, which
 * lets go when a process dies, whichever container it ran in: no lock is ever stale.
 * Throws `login_read_only` where the directory cannot be written.
 */
export async function withFileLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  const database = open(file);
  try {
    const deadline = performance.now() + WAIT_LIMIT_MS;
    while (!take(database, file)) {
      if (performance.now() > deadline) throw takesTooLong();
      await sleep(LOOK_AGAIN_MS);
    }
    return await work();
  } finally {
    database.close();
  }
}

function open(file: string): DatabaseSync {
  try {
    return new DatabaseSync(`${file}.lock`, { timeout: 0 });
  } catch (error) {
    throw readOnly(file, error);
  }
}

/** Answers whether the lock was free. */
function take(database: DatabaseSync, file: string): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (error instanceof Error && /database is locked/.test(error.message)) return false;
    throw readOnly(file, error);
  }
}

function readOnly(file: string, cause: unknown): AppError {
  const message = `The directory of ${file} can't be written, so the file cannot be changed.`;
  return new AppError('login_read_only', message, { cause });
}

function takesTooLong(): AppError {
  const seconds = WAIT_LIMIT_MS / 1000;
  const message = `Another process has locked the credentials for more than ${seconds} s.`;
  return new AppError('model_unavailable', message);
}
