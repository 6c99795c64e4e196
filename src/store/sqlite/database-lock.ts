import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DATABASE_FILE } from './sqlite-store.ts';

/**
 * Whether another process, such as a running server, has the database open. False if there is none, or
 * if it is damaged. Must not be called by a process that has the database open: closing the file a
 * second time would release its lock.
 */
export function isInUse(directory: string): boolean {
  const file = path.join(directory, DATABASE_FILE);
  if (!fs.existsSync(file)) return false;
  try {
    using database = new DatabaseSync(file, { readOnly: true });
    database.prepare('PRAGMA user_version').get();
    return false;
  } catch (error) {
    return error instanceof Error && /database is locked/.test(error.message);
  }
}

/** The process that has the database open, on Linux. */
export function lockHolder(directory: string): number | undefined {
  try {
    const { ino } = fs.statSync(path.join(directory, DATABASE_FILE));
    // Such as `8: POSIX  ADVISORY  WRITE 1234 fe:00:2515433 1073741826 1073742335`.
    const rows = fs.readFileSync('/proc/locks', 'utf8').split('\n');
    const row = rows.find((each) => each.includes(' WRITE ') && each.includes(`:${ino} `));
    const pid = Number(row?.trim().split(/\s+/)[4]);
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
