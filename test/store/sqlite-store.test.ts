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

test('a database of a newer server stops the start and is left as it was', () => {
  const where = directory();
  const file = path.join(where, 'codex-mcp.sqlite');
  openIn(where).close();
  changed(file, 'PRAGMA user_version = 99');
  const before = fs.readFileSync(file);
  expect(() => SqliteStore.open(where)).toThrow(
    /written by a newer server: it has version 99.* start that server/s,
  );
  expect(fs.readFileSync(file).equals(before)).toBe(true);
  expect(fs.readdirSync(where)).toEqual(['codex-mcp.sqlite']);
});

test('a database is copied before it is migrated, and not again afterwards', () => {
  const where = directory();
  const file = path.join(where, 'codex-mcp.sqlite');
  changed(file, FIRST_VERSION);
  fs.writeFileSync(`${file}.v1.part`, 'of a server that was killed');
  const store = openIn(where);
  expect(store.agents.get('old')).toMatchObject({ name: 'old', owner: 'local' });
  store.close();
  using copy = new DatabaseSync(`${file}.v1`);
  expect(copy.prepare('PRAGMA user_version').get()).toEqual({ user_version: 1 });
  expect(copy.prepare('SELECT agent_id FROM agents').all()).toEqual([{ agent_id: 'old' }]);
  expect(copy.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
  fs.rmSync(`${file}.v1`);
  openIn(where).close();
  expect(fs.readdirSync(where)).toEqual(['codex-mcp.sqlite']);
});

test('a database that cannot be copied is not migrated', () => {
  const where = directory();
  const file = path.join(where, 'codex-mcp.sqlite');
  changed(file, FIRST_VERSION);
  fs.mkdirSync(path.join(`${file}.v1`, 'in-the-way'), { recursive: true });
  expect(() => SqliteStore.open(where)).toThrow(DataDirError);
  using database = new DatabaseSync(file);
  expect(database.prepare('PRAGMA user_version').get()).toEqual({ user_version: 1 });
});

/** The tables of the first version, which no step may edit, and an agent. */
const FIRST_VERSION = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE agents (
    agent_id TEXT PRIMARY KEY, thread_id TEXT, token_sha256 TEXT NOT NULL,
    created_at INTEGER NOT NULL, last_used_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE turns (
    turn_id TEXT PRIMARY KEY, agent_id TEXT NOT NULL REFERENCES agents (agent_id) ON DELETE CASCADE,
    tool TEXT NOT NULL, state TEXT NOT NULL, error_code TEXT, usage TEXT,
    created_at INTEGER NOT NULL, ended_at INTEGER
  ) STRICT;
  INSERT INTO agents VALUES ('old', NULL, 'hash', 1, 1);
  PRAGMA user_version = 1;
`;

function changed(file: string, sql: string): void {
  using database = new DatabaseSync(file);
  database.exec(sql);
}

test('a directory that cannot be made is an error that names DATA_DIR', () => {
  const file = path.join(directory(), 'file');
  fs.writeFileSync(file, '');
  expect(() => SqliteStore.open(path.join(file, 'data'))).toThrow(DataDirError);
  expect(() => SqliteStore.open(path.join(file, 'data'))).toThrow(/DATA_DIR is ".*can't be used/);
});
