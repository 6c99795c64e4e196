import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { obey } from '../fakes/stand-in-model/script.ts';
import { RUNTIMES } from '../setup/runtimes.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const SECRET = 'signs-the-tokens-of-all-callers-of-this-test';
const AGENT_UID = 1000;
const NEVER = { PAUSE_TIMEOUT: '0', ARCHIVE_TIMEOUT: '0', RETENTION_TIMEOUT: '0' };
// Without a pool, as what it has left is nobody's to remove afterwards.
const HASTY = {
  ...{ REAPER_SCHEDULE: '* * * * * *', EXPIRY_WARNING: '0' },
  ...{ SESSION_TIMEOUT: '1', WARM_POOL_SIZE: '0' },
};

describe.each(RUNTIMES)('a directory of the machine in the $runtime runtime', ({ runtime }) => {
  const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-root-')));
  const app = path.join(root, 'app');
  const onHost = (name: string) => path.join(app, name);
  let server: TestServer;
  let admin = '';
  let developer = '';
  beforeAll(async () => {
    fs.chmodSync(root, 0o755);
    directoryOfAPerson(app, runtime);
    directoryOfAPerson(path.join(root, 'other'), runtime);
    server = await startTestServer({
      ...{ runtime, script: obey },
      environment: { ...NEVER, WORKSPACE_ROOTS: root, JWT_SECRET: SECRET, WARM_POOL_SIZE: '1' },
    });
    admin = await sign('root', 'admin');
    developer = await sign('dev', 'developer');
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    fs.rmSync(root, { recursive: true, force: true });
  });
  const work = async (command: string, more: object = {}, tool = 'implement', token = admin) => {
    await using client = await connect(server, 'http', '', token);
    return await call(client, tool, { agent_id: 'mine', task: `run:${command}`, ...more });
  };
  const begin = async (source: object, agent_id: string, token = admin) => {
    const response = await fetch(`${server.url}/api/v1/agents`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ agent_id, source }),
    });
    return { status: response.status, text: await response.text() };
  };
  const source = { path: app };

  test('is what the agent works in, and what a plan did there is undone', async () => {
    expect(await begin(source, 'mine')).toMatchObject({ status: 201 });
    const first = await work('cat mine.txt > made.txt');
    expect(first.changes).toMatchObject([{ file: 'made.txt' }]);
    expect(fs.readFileSync(onHost('made.txt'), 'utf8')).toBe('of a person\n');
    if (runtime === 'docker') expect(fs.statSync(onHost('made.txt')).uid).toBe(AGENT_UID);
    const head = git(app, 'log', '-1', '--format=%s');
    expect(head).toBe('Begin');
    expect(git(app, 'for-each-ref', '--format=%(refname)')).toMatch(/refs\/codex\//);

    fs.writeFileSync(onHost('later.txt'), 'written meanwhile');
    await work('cat later.txt > seen.txt', { source });
    expect(fs.readFileSync(onHost('seen.txt'), 'utf8')).toBe('written meanwhile');
    await work('echo x > planned.txt; rm mine.txt', {}, 'plan');
    expect(fs.existsSync(onHost('planned.txt'))).toBe(false);
    expect(fs.readFileSync(onHost('mine.txt'), 'utf8')).toBe('of a person\n');
  });

  test('is refused to others, outside of the roots and to agents that ran', async () => {
    await expect(work('true', { agent_id: 'x', source }, 'plan', developer)).rejects.toThrow(
      'forbidden',
    );
    expect(await begin(source, 'x', developer)).toMatchObject({ status: 403 });
    const outside = await begin({ path: '/etc' }, 'x');
    expect(outside).toMatchObject({ status: 403 });
    expect(outside.text).toContain('workspace_path_denied');
    expect((await begin({ ...source, replace: true }, 'x')).text).toContain('never replaced');
    expect((await begin(source, 'x')).text).toContain('workspace_path_taken');
    const other = { path: path.join(root, 'other') };
    expect((await begin(other, 'mine')).text).toContain('workspace_exists');
    if (runtime === 'docker') {
      fs.mkdirSync(path.join(root, 'closed'), { mode: 0o700 });
      const uid = process.getuid?.() === AGENT_UID;
      if (!uid)
        expect((await begin({ path: path.join(root, 'closed') }, 'x')).text).toMatch(/1000/);
    }
    const replaced = await fetch(`${server.url}/api/v1/agents/mine/files?replace=true`, {
      ...{ method: 'PUT', headers: { authorization: `Bearer ${admin}` } },
      body: Buffer.alloc(1024),
    });
    expect(await replaced.text()).toContain('workspace_mounted');
    const files = { files: [{ path: 'x', content: '' }], replace: true };
    await expect(work('true', { source: files })).rejects.toThrow('workspace_mounted');
    expect(fs.existsSync(onHost('mine.txt'))).toBe(true);
  });

  test('is copied to a fork, which changes its copy', async () => {
    await using client = await connect(server, 'http', '', admin);
    await call(client, 'fork_agent', { agent_id: 'mine', new_agent_id: 'fork' });
    const inFork = await work('cat mine.txt > fork.txt', { agent_id: 'fork' });
    expect(inFork.changes).toMatchObject([{ file: 'fork.txt' }]);
    expect(JSON.stringify(inFork.changes)).toContain('+of a person');
    expect(fs.existsSync(onHost('fork.txt'))).toBe(false);
  });

  test('outlives the agent: stopped, archived and removed, and away in between', async () => {
    await server.restart({ ...HASTY, ARCHIVE_TIMEOUT: '2' });
    await untilGone('list_sessions', ({ sessions }) =>
      sessions.every(({ status }) => status === 'archived'),
    );
    fs.renameSync(app, `${app}-away`);
    await expect(work('true')).rejects.toThrow('workspace_path_unusable');
    fs.renameSync(`${app}-away`, app);
    await work('echo again > again.txt');
    expect(fs.existsSync(onHost('again.txt'))).toBe(true);
    await server.restart({ ...HASTY, RETENTION_TIMEOUT: '2' });
    await untilGone('list_sessions', ({ sessions }) => sessions.length === 0);
    expect(fs.readdirSync(app)).toEqual(
      expect.arrayContaining(['.git', 'again.txt', 'made.txt', 'mine.txt']),
    );
  }, 90_000);

  async function untilGone(
    tool: string,
    is: (answer: { sessions: { status: string }[] }) => boolean,
  ): Promise<void> {
    await using client = await connect(server, 'http', '', admin);
    const look = async () => is(await call(client, tool));
    await expect.poll(look, { interval: 300, timeout: 90_000 }).toBe(true);
  }
});

/** A repository whose files agents may write, as the person has seen to. */
function directoryOfAPerson(directory: string, runtime: string): void {
  fs.mkdirSync(directory);
  fs.writeFileSync(path.join(directory, 'mine.txt'), 'of a person\n');
  git(directory, 'init', '-q');
  git(directory, 'add', '.');
  const author = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org'];
  git(directory, ...author, 'commit', '-q', '-m', 'Begin');
  // Without containers agents are the user of this test.
  if (runtime === 'process') return;
  if (process.getuid?.() === 0) execFileSync('chown', ['-R', `${AGENT_UID}`, directory]);
  else execFileSync('chmod', ['-R', 'a+rwX', directory]);
}

function git(directory: string, ...args: string[]): string {
  const safe = ['-c', `safe.directory=${directory}`, '-C', directory];
  return execFileSync('git', [...safe, ...args], { encoding: 'utf8' }).trim();
}

function sign(sub: string, role: string): Promise<string> {
  const key = new TextEncoder().encode(SECRET);
  return new SignJWT({ sub, role })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(key);
}
