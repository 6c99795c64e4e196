import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { putFiles } from './agent-files.ts';
import { GitClient, remoteOf } from './git-client.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const MEBIBYTE = 1024 * 1024;
const LIMIT = 64 * MEBIBYTE;

let server: TestServer;
const project = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-project-'));

beforeAll(async () => {
  server = await startTestServer({
    runtime: 'process',
    script: answerAnything,
    environment: { CONTAINER_DISK_LIMIT: '64m', WORKSPACE_ROOTS: project },
  });
}, 60_000);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  fs.rmSync(project, { recursive: true });
});

test('what would take an agent beyond its limit is refused before it is written', async () => {
  expect(await put('a', 'first.bin', 40)).toMatchObject({ files: 1 });
  // The next server has never measured these files.
  await server.restart();
  const { error } = await put('a', 'second.bin', 40);
  expect(error).toMatchObject({ code: 'upload_too_large' });
  expect(error.limit.bytes).toBeLessThan(LIMIT - 40 * MEBIBYTE);
  expect(fs.readdirSync(workspace('a'))).not.toContain('second.bin');
  expect(await put('a', 'small.bin', 1)).toMatchObject({ files: 1 });
});

test('an agent that has reached its limit takes no push, gives what it has, and can be forked', async () => {
  using mine = await GitClient.repository({ 'a.txt': 'one\n' });
  await mine.git('push', '-q', remoteOf(server, 'full'), 'main');
  fs.writeFileSync(path.join(workspace('full'), 'big.bin'), randomBytes(70 * MEBIBYTE));
  await server.restart();
  await mine.commit({ 'a.txt': 'two\n' });
  const refused = await mine.try('push', remoteOf(server, 'full'), 'main');
  expect(refused.output).toMatch(/remote: The files of agent full have \d+ of 67108864 bytes/);
  using theirs = new GitClient();
  await theirs.git('clone', '-q', remoteOf(server, 'full'), '.');
  expect(theirs.read('a.txt')).toBe('one\n');
  await using client = await connect(server, 'http');
  await call(client, 'fork_agent', { agent_id: 'full', new_agent_id: 'fork' });
  expect(fs.statSync(path.join(workspace('fork'), 'big.bin')).size).toBe(70 * MEBIBYTE);
});

test('a directory of the machine counts nothing', async () => {
  fs.writeFileSync(path.join(project, 'large.bin'), randomBytes(70 * MEBIBYTE));
  fs.writeFileSync(path.join(project, '.gitignore'), '*.bin\n');
  const own = { agent_id: 'mine' };
  await using later = await connect(server, 'http');
  await call(later, 'implement', { ...own, task: 'x', source: { path: project } });
  const status = await call(later, 'get_agent_status', own);
  expect(status.workspace_bytes).toBeGreaterThan(LIMIT);
  const { notes = [] } = await call(later, 'implement', { ...own, task: 'x' });
  expect(notes).toEqual([]);
  expect(await put('mine', 'more.bin', 8)).toMatchObject({ files: 1 });
});

function workspace(agent: string): string {
  return path.join(server.dataDir, 'agents', agent, 'workspace');
}

function put(agent: string, name: string, mebibytes: number) {
  return putFiles(server, agent, { [name]: randomBytes(mebibytes * MEBIBYTE) });
}
