import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import { json, shell } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { archiveOf, putFiles } from './agent-files.ts';
import { createWorld, kill, type Main } from './main-process.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const run = promisify(execFile);
const directories: string[] = [];
/** Codex's sandbox has places of its own in there. */
const LS = 'ls -A -I .agents -I .aws -I .codex';

afterAll(() => {
  for (const directory of directories) fs.rmSync(directory, { recursive: true, force: true });
});

describe.each(CHEAPEST)('files of an agent in a $runtime', ({ runtime }) => {
  let server: TestServer;
  let command = '';

  beforeAll(async () => {
    server = await startTestServer({
      runtime,
      script: ({ toolOutputs, schema }) =>
        toolOutputs.length === 0 ? shell(command) : json(fillSchema(schema)),
      environment: { TRANSFER_MAX_BYTES: '64m', TRANSFER_MAX_ENTRIES: '1000' },
    });
  }, 300_000);
  afterAll(() => server[Symbol.asyncDispose]());

  const url = (query = '', agent = 'a') => `${server.url}/api/v1/agents/${agent}/files${query}`;
  const put = async (archive: Buffer | string, query = '', more: string[] = []) => {
    const file = typeof archive === 'string' ? archive : saved(archive);
    const { stdout } = await run('curl', ['-sS', '-m', '60', '-T', file, ...more, url(query)]);
    return JSON.parse(stdout);
  };
  const get = async (query = '') => {
    const directory = temporary();
    const file = path.join(directory, 'out.tar');
    await run('curl', ['-sSf', '-m', '60', '-o', file, url(query)]);
    execFileSync('tar', ['-xf', file, '-C', directory]);
    fs.rmSync(file);
    return directory;
  };
  const inside = async (script: string) => {
    command = script;
    await using client = await connect(server);
    await call(client, 'implement', { task: 'x', agent_id: 'a' });
    return server.model.requests.at(-1)?.seen.toolOutputs.join() ?? '';
  };

  test('an archive of a project goes in, is worked on, and comes out', async () => {
    const project = temporary();
    fs.mkdirSync(path.join(project, 'src/deep'), { recursive: true });
    fs.mkdirSync(path.join(project, '.git'));
    fs.writeFileSync(path.join(project, '.git/config'), 'broken');
    fs.writeFileSync(path.join(project, 'src/run.sh'), '#!/bin/sh\necho ran\n', { mode: 0o755 });
    fs.writeFileSync(path.join(project, 'src/deep/ü.txt'), 'text');
    fs.symlinkSync('deep/ü.txt', path.join(project, 'src/link'));
    fs.writeFileSync(path.join(project, 'big.bin'), Buffer.alloc(20_000_000, 7));
    const archive = tarOf(project);
    expect(await put(archive)).toMatchObject({
      ...{ agent_id: 'a', files: 3, directories: 2, links: 1, skipped_git_entries: 2 },
      bytes: expect.any(Number),
    });
    const seen = await inside(
      'src/run.sh; cat src/link; git status --short; ls -A; echo more > new.txt',
    );
    expect(seen).toMatch(/ran\ntext\?\? big.bin/);
    expect(seen).not.toContain('staging');
    const back = await get();
    expect(fs.readdirSync(back).sort()).toEqual(['big.bin', 'new.txt', 'src']);
    expect(fs.readFileSync(path.join(back, 'src/link'), 'utf8')).toBe('text');
    expect(fs.statSync(path.join(back, 'src/run.sh')).mode & 0o777).toBe(0o755);
    expect(fs.statSync(path.join(back, 'big.bin')).size).toBe(20_000_000);
    expect(fs.readdirSync(await get('?path=src/deep'))).toEqual(['ü.txt']);
    expect(fs.readdirSync(await get('?path=src/run.sh'))).toEqual(['run.sh']);
    expect(fs.existsSync(path.join(await get('?git=true'), '.git/HEAD'))).toBe(true);
    const refused = await fetch(url('?path=nowhere'));
    expect([
      refused.status,
      ((await refused.json()) as { error: { code: string } }).error.code,
    ]).toEqual([404, 'path_not_found']);
    expect((await fetch(url('', 'nobody'))).status).toBe(404);
    expect((await fetch(url('?path=../x'))).status).toBe(400);
  });

  test('a part of the workspace is added to or replaced, its .git and the rest stay', async () => {
    await put(await archiveOf({ 'one.txt': '1', 'd/two.txt': '2' }), '?path=part');
    await put(gzipSync(await archiveOf({ 'd/two.txt': 'new', 'd/three.txt': '3' })), '?path=part');
    expect(tree(await get('?path=part'))).toEqual(['d/three.txt', 'd/two.txt', 'one.txt']);
    const packed = gzipSync(await archiveOf({ 'only.txt': 'o' }));
    const asGzip = ['-H', 'content-type: application/gzip', '-H', 'content-encoding: gzip'];
    await put(packed, '?path=part&replace=true', asGzip);
    expect(tree(await get('?path=part'))).toEqual(['only.txt']);
    await put(await archiveOf({ 'all.txt': 'a' }), '?replace=true');
    expect(await inside(LS)).toMatch(/^.*\.git\nall\.txt\n/s);
  });

  test('what cannot be taken changes nothing, and says which entry it was', async () => {
    await put(await archiveOf({ 'kept.txt': 'kept', 'dir/x': 'x' }), '?replace=true');
    const evil = await put(
      await archiveOf({ 'kept.txt': 'gone', '../evil': 'e' }),
      '?replace=true',
    );
    expect(evil.error).toMatchObject({ code: 'archive_invalid', entry: '../evil' });
    const late = await archiveOf({ 'kept.txt': 'gone', big: 'x'.repeat(1_000_000) });
    expect((await put(late.subarray(0, 600_000))).error.code).toBe('archive_invalid');
    expect((await put(gzipSync(late).subarray(0, 600))).error.code).toBe('archive_invalid');
    expect((await put(Buffer.from('no archive'.repeat(100)))).error.code).toBe('archive_invalid');
    const bomb = gzipSync(await archiveOf({ bomb: Buffer.alloc(80_000_000) }));
    expect((await put(bomb)).error.code).toBe('upload_too_large');
    expect((await put(await archiveOf({ dir: 'a file' }))).error.code).toBe('path_conflict');
    expect((await put(late, '', ['-H', 'content-encoding: br'])).error.code).toBe('invalid_input');
    // Links of the agent are not followed, wherever they lead.
    await inside('ln -s /tmp out; ln -s dir in');
    expect((await put(await archiveOf({ x: 'x' }), '?path=out')).error.code).toBe('path_conflict');
    expect((await put(await archiveOf({ 'in/x': 'x' }))).error.code).toBe('path_conflict');
    expect(await inside(`cat kept.txt; ${LS}`)).toMatch(/kept\.git\ndir\nin\nkept\.txt\nout\n/);
    // Nor are they handed out where they lead out.
    expect(fs.readdirSync(await get()).filter((name) => !name.startsWith('.'))).toEqual([
      ...['dir', 'in', 'kept.txt'],
    ]);
  });

  test.runIf(runtime === 'process')(
    'what is left out of a download is told at its end',
    async () => {
      await put(await archiveOf({ 'kept.txt': 'kept' }), '?replace=true');
      const workspace = path.join(server.dataDir, 'agents/a/workspace');
      execFileSync('mkfifo', [path.join(workspace, 'ü\n pipe')]);
      fs.symlinkSync('/etc/passwd', path.join(workspace, 'out'));
      const socket = net.createServer().listen(path.join(workspace, 'run.sock'));
      await once(socket, 'listening');
      const heads = path.join(temporary(), 'heads');
      await run('curl', ['-sSf', '-D', heads, '-o', '/dev/null', url()]);
      const told = fs.readFileSync(heads, 'utf8');
      expect(told).toMatch(/^trailer: x-omitted\r$/im);
      const { entries, names } = JSON.parse(/^x-omitted: (.*)\r$/m.exec(told)?.[1] ?? '{}');
      expect(entries).toBe(3);
      expect(names.sort()).toEqual(['./out', './run.sock', './ü\n pipe']);
      await using client = await connect(server);
      expect(await call(client, 'snapshot', { agent_id: 'a' })).toMatchObject({ omitted: 3 });
      await call(client, 'cleanup_inactive_agents', {});
      socket.close();
      await put(await archiveOf({ 'kept.txt': 'kept' }), '?replace=true');
      await run('curl', ['-sSf', '-D', heads, '-o', '/dev/null', url()]);
      expect(fs.readFileSync(heads, 'utf8')).toContain('x-omitted: {"entries":0,"names":[]}');
    },
  );

  test('a client that dies leaves nothing, and the agent can be used at once', async () => {
    await put(await archiveOf({ 'kept.txt': 'kept' }), '?replace=true');
    const archive = saved(await archiveOf({ 'half.bin': Buffer.alloc(50_000_000) }));
    const curl = spawn('curl', ['-sS', '--limit-rate', '5M', '-T', archive, url('?replace=true')]);
    const second = await archiveOf({ 'kept.txt': 'kept' });
    await expect.poll(async () => (await put(second)).error?.code).toBe('agent_busy');
    curl.kill('SIGKILL');
    await once(curl, 'close');
    expect(await inside(LS)).toMatch(/\.git\nkept\.txt\n/);
  });

  test.runIf(runtime === 'docker')(
    'uploads that a killed server left are finished or dropped by the next one',
    async () => {
      await put(await archiveOf({ 'kept.txt': 'kept' }), '?replace=true');
      const workspace = '/workspace';
      const staging = `${workspace}/.codex-mcp-staging`;
      await inside(`mkdir -p ${staging}/tree/sub; echo half > ${staging}/tree/sub/half.txt`);
      await call(await connect(server), 'cleanup_inactive_agents', {});
      expect(await inside(LS)).toMatch(/\.git\nkept\.txt\n$/m);
      const order = { staging, workspace, parts: [], replace: false, git: false, begun: true };
      await inside(
        `mkdir -p ${staging}/tree; echo whole > ${staging}/tree/whole.txt; echo '${JSON.stringify(order)}' > ${staging}/order.json`,
      );
      await call(await connect(server), 'cleanup_inactive_agents', {});
      expect(await inside(LS)).toMatch(/\.git\nkept\.txt\nwhole\.txt\n$/m);
    },
  );
});

test('a server that is killed leaves no half upload, and the next one finishes a whole one', async () => {
  await using world = await createWorld('process');
  const [home, workspace] = ['home', 'workspace'].map((name) =>
    path.join(world.dataDir, 'agents/a', name),
  ) as [string, string];
  const staging = path.join(home, '.codex-mcp-staging');
  /** A download wakes the agent. */
  const wake = async (server: Main) => {
    const answer = await fetch(`${server.url}/api/v1/agents/a/files`);
    expect(answer.status).toBe(200);
    await answer.arrayBuffer();
  };
  const first = await world.start();
  await putFiles(first, 'a', { 'a.txt': 'a' });
  const archive = saved(await archiveOf({ 'half.bin': Buffer.alloc(50_000_000) }));
  const target = `${first.url}/api/v1/agents/a/files`;
  const curl = spawn('curl', ['-sS', '--limit-rate', '2M', '-T', archive, target]);
  await expect
    .poll(() => fs.existsSync(path.join(staging, 'tree/half.bin')), { timeout: 90_000 })
    .toBe(true);
  await kill(first, 'SIGKILL');
  await once(curl, 'close');
  const second = await world.start();
  await wake(second);
  expect(fs.existsSync(staging)).toBe(false);
  expect(fs.existsSync(path.join(workspace, 'half.bin'))).toBe(false);
  await kill(second, 'SIGKILL');

  fs.mkdirSync(path.join(staging, 'tree/d'), { recursive: true });
  fs.writeFileSync(path.join(staging, 'tree/d/whole.txt'), 'whole');
  const order = { staging, workspace, parts: [], replace: false, git: false, begun: true };
  fs.writeFileSync(path.join(staging, 'order.json'), JSON.stringify(order));
  await wake(await world.start());
  expect(fs.existsSync(staging)).toBe(false);
  expect(fs.readFileSync(path.join(workspace, 'd/whole.txt'), 'utf8')).toBe('whole');
});

function temporary(): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-files-'));
  directories.push(directory);
  return directory;
}

function saved(content: Buffer): string {
  const file = path.join(temporary(), 'a.tar');
  fs.writeFileSync(file, content);
  return file;
}

function tarOf(directory: string): string {
  const file = path.join(temporary(), 'a.tar');
  execFileSync('tar', ['-cf', file, '-C', directory, '.']);
  return file;
}

function tree(directory: string): string[] {
  const found = fs.readdirSync(directory, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
    .sort();
}
