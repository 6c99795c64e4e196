import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packet } from '../../src/transports/git/packet-line.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { putFiles } from './agent-files.ts';
import { GitClient, remoteOf } from './git-client.ts';
import { sendRaw } from './raw-client.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

/** More than the buffers between two programs of one machine hold. */
const MUCH = 40_000_000;
const PUSH = { 'content-type': 'application/x-git-receive-pack-request' };
const FETCH = { 'content-type': 'application/x-git-upload-pack-request' };
const ENDLESS = { 'transfer-encoding': 'chunked' };
const CLOSE = { connection: 'close' };

let server: TestServer;
let workspace = '';

beforeAll(async () => {
  server = await startTestServer({
    runtime: 'process',
    script: answerAnything,
    environment: {
      TRANSFER_IDLE_TIMEOUT: '1',
      TRANSFER_TIMEOUT: '3',
      GIT_IDLE_TIMEOUT: '1',
      GIT_TIMEOUT: '3',
      GIT_MAX_OPERATIONS: '1',
    },
  });
  workspace = path.join(server.dataDir, 'agents/a/workspace');
  await putFiles(server, 'a', {});
  execFileSync(
    'sh',
    [
      '-c',
      `head -c ${MUCH} /dev/urandom > big.bin; git add .; git -c user.name=n -c user.email=e commit -qm big`,
    ],
    {
      cwd: workspace,
    },
  );
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

const files = () => `${server.url}/api/v1/agents/a/files`;

test.each([
  ['an upload', 'PUT', 'a/files', undefined, /moved nothing for 1 s/],
  ['an upload', 'PUT', 'a/files', '1\r\nx\r\n', /took longer than 3 s/],
  ['a snapshot', 'POST', 'new/restore', undefined, /moved nothing for 1 s|took longer/],
])('%s that does not come is refused in words', async (_what, method, route, drip, words) => {
  const target = `${server.url}/api/v1/agents/${route}`;
  await using slow = await sendRaw(target, { method, headers: ENDLESS });
  if (drip) slow.drip(drip, 200);
  const answer = await slow.all();
  expect(answer).toMatch(/^HTTP\/1.1 408 /);
  expect(answer).toContain('"request_timeout"');
  expect(answer).toMatch(words);
  expect(fs.readdirSync(workspace).filter((name) => !name.startsWith('.'))).toEqual(['big.bin']);
  expect((await fetch(`${server.url}/api/v1/agents/new/settings`)).status).toBe(404);
  await expectFree();
});

test('what has arrived may take longer to be put in place', async () => {
  const archive = execFileSync('tar', ['-cf', '-', '-T', '/dev/null']);
  let stopped = '';
  const body = new ReadableStream({
    async start(controller) {
      controller.enqueue(archive.subarray(0, 512));
      stopped = await stopProgram('tar -xof -');
      controller.enqueue(archive.subarray(512));
      controller.close();
    },
  });
  const answer = fetch(files(), { method: 'PUT', body, duplex: 'half' });
  await expect.poll(() => stopped).not.toBe('');
  await sleep(1500);
  process.kill(Number(stopped), 'SIGCONT');
  expect((await answer).status).toBe(200);
});

test('a download that nobody reads is ended', async () => {
  await using never = await sendRaw(files(), { headers: CLOSE });
  await sleep(2000);
  const some = await never.all();
  expect(some).toMatch(/^HTTP\/1.1 200 /);
  expect(some.length).toBeLessThan(MUCH);
  await expect.poll(() => programs('tar -cf -')).toEqual([]);
});

test.each([
  ['moves nothing', undefined],
  ['comes byte by byte', '1\r\n0\r\n'],
])('a push that %s is ended, and nothing is taken', async (_what, drip) => {
  await using slow = await sendRaw(`${remoteOf(server, 'a')}/git-receive-pack`, {
    method: 'POST',
    headers: { ...PUSH, ...ENDLESS },
  });
  if (drip) slow.drip(drip, 200);
  expect(await slow.all()).toMatch(
    /^HTTP\/1.1 408 [\s\S]*The git operation (moved nothing for 1|took longer than 3) s/,
  );
  await expectFree();
});

test('a fetch that nobody reads is ended, and makes room for others', async () => {
  using mine = new GitClient();
  const tip = (await mine.git('ls-remote', remoteOf(server, 'a'), 'HEAD')).slice(0, 40);
  const wants = `${packet(`want ${tip}\n`)}0000${packet('done\n')}`;
  await using never = await sendRaw(`${remoteOf(server, 'a')}/git-upload-pack`, {
    method: 'POST',
    headers: { ...FETCH, 'content-length': `${wants.length}` },
    body: wants,
  });
  await expect.poll(() => programs('upload-pack')).not.toEqual([]);
  await expect.poll(() => programs('upload-pack')).toEqual([]);
  await mine.git('ls-remote', remoteOf(server, 'a'));
  expect((await never.all()).length).toBeLessThan(MUCH);
});

test.each([
  ['an upload', 'tar -xof -', { method: 'PUT', headers: ENDLESS, body: '200\r\n' }],
  ['a download', 'tar -cf -', { headers: CLOSE }],
])('a program of the container that is stopped does not hold %s', async (_what, words, request) => {
  await using stuck = await sendRaw(files(), request);
  await stopProgram(words);
  await stuck.all();
  await expectFree();
});

test('a snapshot that takes too long is none', async () => {
  await using client = await connect(server);
  const failing = call(client, 'snapshot', { agent_id: 'a' });
  await Promise.all([
    expect(failing).rejects.toThrow(/copy_failed: It took longer than 3 s/),
    stopProgram('tar -cf -'),
  ]);
  expect(await call(client, 'list_snapshots')).toMatchObject({ snapshots: [] });
  expect(fs.readdirSync(path.join(server.dataDir, 'snapshots'))).toEqual([]);
  await expectFree();
});

/** Stops a program of agent a, as others in its container can. */
async function stopProgram(words: string): Promise<string> {
  await expect.poll(() => programs(words), { interval: 10 }).toHaveLength(1);
  const [pid = ''] = programs(words);
  process.kill(Number(pid), 'SIGSTOP');
  return pid;
}

/** The agent takes what comes next. */
async function expectFree(): Promise<void> {
  const empty = execFileSync('tar', ['-cf', '-', '-T', '/dev/null']);
  const put = () => fetch(files(), { method: 'PUT', body: new Uint8Array(empty) });
  await expect.poll(async () => (await put()).status, { timeout: 3000 }).toBe(200);
  using mine = new GitClient();
  await mine.git('ls-remote', remoteOf(server, 'a'));
}

/** Ids of the programs of agent a whose command line holds this. */
function programs(words: string): string[] {
  return fs.readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const line = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return line.includes(words) && fs.readlinkSync(`/proc/${pid}/cwd`).startsWith(server.dataDir);
    } catch {
      return false;
    }
  });
}
