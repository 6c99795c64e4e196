import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { newAgent } from '../../src/agents/agent.ts';
import { DatabaseCopy } from '../../src/store/sqlite/database-copy.ts';
import { isInUse, lockHolder } from '../../src/store/sqlite/database-lock.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';

const COPIES = 10;
/** Events of one transaction. */
const AT_ONCE = 20;
const STORE = new URL('../../src/store/sqlite/sqlite-store.ts', import.meta.url).href;
const AGENT = new URL('../../src/agents/agent.ts', import.meta.url).href;

/** Owns the database, as a server does, and writes more than any does. */
const BUSY_SERVER = `
import { SqliteStore } from ${JSON.stringify(STORE)};
import { newAgent } from ${JSON.stringify(AGENT)};
const store = SqliteStore.open(process.argv[1]);
const request = { agentId: 'a', tool: 'plan', args: {} };
const event = { type: 'message', text: 'x'.repeat(2000) };
for (let round = 0; ; round += 1) {
  store.agents.remove('a');
  store.agents.put(newAgent('a'));
  store.turns.put({ turnId: 't', agentId: 'a', tool: 'plan', state: 'running', request, createdAt: new Date() });
  if (round === 0) console.log('ready');
  for (let seq = 1; seq < 2000; seq += ${AT_ONCE}) {
    const numbers = Array.from({ length: ${AT_ONCE} }, (_, index) => seq + index);
    store.turns.appendEvents('t', numbers.map((each) => ({ seq: each, at: new Date(), event })));
  }
}`;

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-copy-'));
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

test('copies of a database that is written to all the time are whole', async () => {
  const args = ['--input-type=module', '-e', BUSY_SERVER, directory];
  const server = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(server.stdout, 'data');
    expect(isInUse(directory)).toBe(true);
    if (process.platform === 'linux') expect(lockHolder(directory)).toBe(server.pid);
    const sizes = new Set<number>();
    for (let taken = 0; taken < COPIES; taken++) {
      using copy = DatabaseCopy.take(directory);
      expect(copy?.inspect().problems).toEqual([]);
      const store = copy?.open();
      const events = store?.turns.events('t', { after: 0, limit: 1_000_000 }) ?? [];
      store?.close();
      expect(events.length % AT_ONCE).toBe(0);
      sizes.add(events.length);
    }
    expect(sizes.size).toBeGreaterThan(1);
  } finally {
    server.kill('SIGKILL');
    await once(server, 'exit');
  }
  expect(isInUse(directory)).toBe(false);
});

test('a log that begins anew while the files are copied is noticed', () => {
  const store = SqliteStore.open(directory);
  store.agents.put(newAgent('a'));
  const request = { agentId: 'a', tool: 'plan', args: {} };
  const turn = { turnId: 't', agentId: 'a', tool: 'plan', request, createdAt: new Date() };
  store.turns.put({ ...turn, state: 'running' });
  let written = 0;
  const write = (count: number) => {
    for (const last = written + count; written < last; written += AT_ONCE) {
      const numbers = Array.from({ length: AT_ONCE }, (_, index) => written + index + 1);
      const event = { type: 'message' as const, itemId: 'm', text: 'x'.repeat(2000) };
      store.turns.appendEvents(
        't',
        numbers.map((seq) => ({ seq, at: new Date(), event })),
      );
    }
  };
  write(1000);
  const { copyFileSync } = fs;
  const copied = vi.spyOn(fs, 'copyFileSync').mockImplementation((...args) => {
    copyFileSync(...args);
    if (copied.mock.calls.length === 1) write(5000);
  });
  using copy = DatabaseCopy.take(directory);
  copied.mockRestore();
  store.close();
  expect(copy?.inspect().problems).toEqual([]);
  const seen = copy?.open();
  expect(seen?.turns.events('t', { after: 0, limit: 1_000_000 })).toHaveLength(written);
  seen?.close();
});

test('a copy leaves nothing behind, and clears away what a killed one left', () => {
  expect(DatabaseCopy.take(directory)).toBeUndefined();
  SqliteStore.open(directory).close();
  const old = path.join(directory, '.doctor-old');
  fs.mkdirSync(old);
  fs.utimesSync(old, new Date(0), new Date(0));
  const before = fs.readFileSync(path.join(directory, 'codex-mcp.sqlite'));
  DatabaseCopy.take(directory)?.[Symbol.dispose]();
  expect(fs.readdirSync(directory)).toEqual(['codex-mcp.sqlite']);
  expect(fs.readFileSync(path.join(directory, 'codex-mcp.sqlite')).equals(before)).toBe(true);
});

test('a server starts although somebody looks at its database just then', async () => {
  SqliteStore.open(directory).close();
  const look = `
    import { DatabaseSync } from 'node:sqlite';
    const database = new DatabaseSync(process.argv[1], { readOnly: true });
    database.exec('BEGIN');
    database.prepare('SELECT * FROM agents').all();
    console.log('looking');
    setTimeout(() => database.close(), 100);`;
  const args = ['--input-type=module', '-e', look, path.join(directory, 'codex-mcp.sqlite')];
  const looker = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(looker, 'exit');
  await once(looker.stdout, 'data');
  SqliteStore.open(directory).close();
  await exited;
});
