import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test } from 'vitest';
import { DataDirError } from '../../src/store/data-dir-error.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { storeContract } from '../contract/store.ts';

const opened: SqliteStore[] = [];

afterEach(() => {
  for (const store of opened.splice(0)) {
    try {
      store.close();
    } catch {
      // The test closed it.
    }
  }
});

function directory(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'store-'));
}

function openIn(where: string): SqliteStore {
  const store = SqliteStore.open(where);
  opened.push(store);
  return store;
}

storeContract('SQLite', () => {
  const where = directory();
  return { store: openIn(where), reopen: () => openIn(where) };
});

test('a second server is kept out of the same directory, and told why', () => {
  const where = directory();
  openIn(where);
  const script = `import { SqliteStore } from ${JSON.stringify(new URL('../../src/store/sqlite/sqlite-store.ts', import.meta.url).href)};
    SqliteStore.open(${JSON.stringify(where)});`;
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  expect(stderr).toContain('which another running server uses');
});

test('a damaged database stops the start and is left as it was', () => {
  const where = directory();
  const file = path.join(where, 'codex-mcp.sqlite');
  fs.writeFileSync(file, 'this is not a database, but long enough to look like one'.repeat(50));
  const before = fs.readFileSync(file);
  expect(() => SqliteStore.open(where)).toThrow(/damaged .*left as it is/s);
  expect(fs.readFileSync(file).equals(before)).toBe(true);
});

test('a database of a newer server stops the start', () => {
  const where = directory();
  openIn(where).close();
  const database = new DatabaseSync(path.join(where, 'codex-mcp.sqlite'));
  database.exec('PRAGMA user_version = 99');
  database.close();
  expect(() => SqliteStore.open(where)).toThrow(/version 99.*newer server/s);
});

test('a directory that cannot be made is an error that names DATA_DIR', () => {
  const file = path.join(directory(), 'file');
  fs.writeFileSync(file, '');
  expect(() => SqliteStore.open(path.join(file, 'data'))).toThrow(DataDirError);
  expect(() => SqliteStore.open(path.join(file, 'data'))).toThrow(/DATA_DIR is ".*can't be used/);
});
