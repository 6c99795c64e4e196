import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { fillSchema } from '../../fakes/stand-in-model/fill-schema.ts';
import type { Script } from '../../fakes/stand-in-model/script.ts';
import { json, shell } from '../../fakes/stand-in-model/step.ts';
import {
  type Connection,
  call,
  connect,
  startTestServer,
  type TestServer,
} from '../test-server.ts';
import { mountSmallDisk } from './small-disk.ts';

const MEBIBYTE = 1024 * 1024;
/** Of a whole disk, what a server writes about a call. */
const SOME = 2 * MEBIBYTE;
/** Runs what the task says after `run:`. */
const obey: Script = ({ prompt, toolOutputs, schema }) => {
  const [, command] = /run:(.*)/s.exec(prompt) ?? [];
  return command && toolOutputs.length === 0 ? shell(command) : json(fillSchema(schema));
};

test('a snapshot that fills the disk of DATA_DIR is none, and the agent works on', async (context) => {
  using disk = mountSmallDisk(24) ?? context.skip('only root can mount a small disk');
  using elsewhere = temporary();
  await using server = await start({
    DATA_DIR: disk.directory,
    WORKSPACE_ROOTS: elsewhere.directory,
  });
  await using client = await connect(server);
  const source = { path: elsewhere.directory };
  await run({ server, client }, 'echo kept > kept.txt; echo big.bin > .gitignore', { source });
  fs.writeFileSync(path.join(elsewhere.directory, 'big.bin'), randomBytes(40 * MEBIBYTE));
  const free = freeBytes(disk.directory);
  await expect(call(client, 'snapshot', { agent_id: 'a' })).rejects.toMatchObject({
    code: 'storage_full',
    message: expect.stringContaining('no snapshot was made'),
  });
  expect(fs.readdirSync(path.join(disk.directory, 'snapshots'))).toEqual([]);
  expect(freeBytes(disk.directory)).toBeGreaterThan(free - SOME);
  expect(await call(client, 'list_snapshots')).toEqual({ snapshots: [] });
  await call(client, 'plan', { agent_id: 'a', task: 'x' });
  fs.rmSync(path.join(elsewhere.directory, 'big.bin'));
  const { snapshot_id } = await call(client, 'snapshot', { agent_id: 'a' });
  expect(await call(client, 'list_snapshots')).toMatchObject({ snapshots: [{ snapshot_id }] });
});

test('what does not fit on the disk of an agent changes nothing', async (context) => {
  using disk = mountSmallDisk(40) ?? context.skip('only root can mount a small disk');
  using elsewhere = temporary();
  await using server = await start({ DATA_DIR: disk.directory });
  await using client = await connect(server);
  await run({ server, client }, 'echo kept > kept.txt');
  const { snapshot_id } = await call(client, 'snapshot', { agent_id: 'a' });
  // The same snapshot, with more in it than there is room for.
  const whole = path.join(elsewhere.directory, 'whole.tar');
  const file = path.join(disk.directory, 'snapshots', `${snapshot_id}.tar.gz`);
  fs.writeFileSync(whole, execFileSync('gunzip', ['-c', file]));
  fs.mkdirSync(path.join(elsewhere.directory, 'workspace'));
  fs.writeFileSync(path.join(elsewhere.directory, 'workspace/big.bin'), randomBytes(60 * MEBIBYTE));
  execFileSync('tar', ['-rf', whole, '-C', elsewhere.directory, 'workspace/big.bin']);
  const free = freeBytes(disk.directory);
  const agents = `${server.url}/api/v1/agents`;
  const requests = [
    ['PUT', `${agents}/a/files?replace=true`],
    ['POST', `${agents}/a/restore?replace=true`],
    ['POST', `${agents}/new/restore`],
  ] as const;
  for (const [method, url] of requests) {
    const answer = await fetch(url, { method, body: fs.readFileSync(whole) });
    expect(await answer.json()).toMatchObject({ error: { code: 'no_space' } });
    expect(freeBytes(disk.directory)).toBeGreaterThan(free - SOME);
  }
  const { sessions } = await call(client, 'list_sessions');
  expect(sessions.map((each: { agent_id: string }) => each.agent_id)).toEqual(['a']);
  expect((await run({ server, client }, 'cat kept.txt; ls')).seen).toMatch(/\nkept\nkept\.txt\n/);
});

test('a turn that fills the disk of its files keeps its result, and says what is not known', async (context) => {
  using disk = mountSmallDisk(32) ?? context.skip('only root can mount a small disk');
  await using server = await start({ DATA_DIR: disk.directory });
  await using client = await connect(server);
  const fill = 'echo kept > kept.txt; head -c 100M /dev/urandom > fill.bin';
  const { result } = await run({ server, client }, fill);
  expect(result).toMatchObject({
    changes: [],
    notes: [expect.stringContaining('disk of the files is full')],
  });
  expect(result.commit).toBeUndefined();
  await expect(run({ server, client }, 'true')).rejects.toMatchObject({
    code: expect.stringMatching(/no_space|storage_full/),
  });
  fs.rmSync(path.join(disk.directory, 'agents/a/workspace/fill.bin'));
  const later = await run({ server, client }, 'cat kept.txt');
  expect(later.seen).toContain('kept');
  expect(later.result.session_id).toBe(result.session_id);
});

test('a turn whose commit finds no room keeps its result and its changes', async (context) => {
  using disk = mountSmallDisk(16) ?? context.skip('only root can mount a small disk');
  await using server = await start({ WORKSPACE_ROOTS: disk.directory });
  await using client = await connect(server);
  const source = { path: disk.directory };
  await run({ server, client }, 'echo x > x.txt', { source });
  const { result } = await run({ server, client }, 'head -c 12M /dev/urandom > half.bin');
  expect(result.changes).toMatchObject([{ file: 'half.bin', action: 'create' }]);
  expect(result.notes).toEqual([expect.stringContaining('The changes are in no commit')]);
  expect(result.commit).toBeUndefined();
  expect(freeBytes(disk.directory)).toBeGreaterThan(SOME);
  const later = await run({ server, client }, 'rm half.bin; echo y > y.txt');
  expect(later.result.commit.ref).toContain(later.result.turn_id);
});

type Parts = { server: TestServer; client: Connection };

function start(environment: Record<string, string>): Promise<TestServer> {
  const { DATA_DIR: dataDir, ...more } = environment;
  return startTestServer({
    runtime: 'process',
    script: obey,
    environment: { SNAPSHOT_DISK_RESERVE: '0', ...more },
    ...(dataDir && { dataDir }),
  });
}

/** Has agent a run a command; answers the result, and what Codex saw of the command. */
async function run({ server, client }: Parts, command: string, more: object = {}) {
  const result = await call(client, 'implement', {
    agent_id: 'a',
    task: `run:${command}`,
    ...more,
  });
  return { result, seen: server.model.requests.at(-1)?.seen.toolOutputs.join() ?? '' };
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = fs.statfsSync(directory);
  return bavail * bsize;
}

function temporary() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-full-'));
  return { directory, [Symbol.dispose]: () => fs.rmSync(directory, { recursive: true }) };
}
