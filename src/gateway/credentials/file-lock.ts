import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../errors.ts';

/** Longer than one renewal, for which the lock is held. */
const WAIT_LIMIT_MS = 30_000;
const POLL_INTERVAL_MS = 50;

/**
 * Holds a lock beside a file of credentials while `work` runs. It is a lock of SQLite, which the kernel
 * releases when a process dies in any container, so a lock is never stale.
 * Throws `login_read_only` if the directory cannot be written.
 */
export async function withFileLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  const database = open(file);
  try {
    const deadline = performance.now() + WAIT_LIMIT_MS;
    while (!take(database, file)) {
      if (performance.now() > deadline) throw takesTooLong();
      await sleep(POLL_INTERVAL_MS);
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

/** Returns whether the lock was free. */
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
