import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { obey } from '../fakes/stand-in-model/script.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { archiveOf, putFiles } from './agent-files.ts';
import { createWorld, kill } from './main-process.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const SECRET = 'signs-the-tokens-of-all-callers-of-this-test';
const BIG = 3_000_000;
/** What a project has that copies lose easily. */
const BUILD = [
  'git config user.email a@b; git config user.name n',
  'mkdir -p src/deep empty; echo one > src/one.txt; printf "#!/bin/sh\\necho ran\\n" > run.sh; chmod +x run.sh',
  'ln -s src/one.txt link; ln -s src linked; echo built > ignored; echo ignored > .gitignore',
  'git add src run.sh link .gitignore; git commit -qm first; git branch other; echo changed >> src/one.txt',
  `head -c ${BIG} /dev/urandom > "src/deep/ü big.bin"`,
].join('; ');
/** All there is to say of the files, and of the repository. */
const LOOK =
  'find . -path ./.git -prune -o ! -name .agents ! -name .aws ! -name .codex -printf "%y %m %P %l\\n" | sort; find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0 cksum; git log --format=%H --all; git status --porcelain; git branch; git fsck 2>&1; ./run.sh; cat linked/one.txt';

describe.each(CHEAPEST)('snapshots of agents in a $runtime', ({ runtime }) => {
  let here: TestServer;
  let there: TestServer;

  beforeAll(async () => {
    const environment = { SNAPSHOTS_PER_AGENT: '2', SNAPSHOT_MAX_BYTES: '16m' };
    here = await startTestServer({ runtime, script: obey, environment });
    there = await startTestServer({ runtime, script: obey });
  }, 300_000);
  afterAll(async () => {
    await here?.[Symbol.asyncDispose]();
    await there?.[Symbol.asyncDispose]();
  });

  const run = async (server: TestServer, agent_id: string, command: string) => {
    await using client = await connect(server);
    const done = await call(client, 'implement', { agent_id, task: `run:${command}` });
    const output = server.model.requests.at(-1)?.seen.toolOutputs.join('') ?? '';
    return { session: done.session_id as string, output: output.replace(/^[\s\S]*?Output:\n/, '') };
  };
  const tool = async (server: TestServer, name: string, args: object) => {
    await using client = await connect(server);
    return await call(client, name, { ...args });
  };
  const download = async (server: TestServer, id: string) => {
    const answer = await fetch(`${server.url}/api/v1/snapshots/${id}`);
    return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
  };
  const upload = async (server: TestServer, agent: string, body: Buffer, query = '') => {
    const url = `${server.url}/api/v1/agents/${agent}/restore${query}`;
    // As curl calls whatever it sends.
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) });
    // biome-ignore lint/suspicious/noExplicitAny: tests look into every answer
    return { status: answer.status, body: (await answer.json()) as any };
  };
  /** An archive of one file. */
  const fileOf = async (server: TestServer, agent: string, name: string) =>
    (await fetch(`${server.url}/api/v1/agents/${agent}/files?path=${name}`)).text();
  const names = async (server: TestServer) =>
    (await tool(server, 'list_snapshots', {})).snapshots.map(
      (each: { snapshot_id: string }) => each.snapshot_id,
    );

  test('an agent moves to another server with all its files and its conversation', async () => {
    const before = await run(here, 'mover', BUILD);
    const look = await run(here, 'mover', LOOK);
    const taken = await tool(here, 'snapshot', { agent_id: 'mover', label: 'before the move' });
    expect(taken).toMatchObject({
      agent_id: 'mover',
      label: 'before the move',
      conversation: true,
    });
    const { body } = await download(here, taken.snapshot_id);
    expect(body.length).toBe(taken.bytes);
    const stored = path.join(here.dataDir, 'snapshots', `${taken.snapshot_id}.tar.gz`);
    expect(fs.statSync(stored).mode & 0o777).toBe(0o600);
    expectReadableByTar(body);

    const restored = await upload(there, 'moved', body);
    expect(restored).toMatchObject({
      status: 201,
      body: { agent_id: 'moved', conversation: true },
    });
    const after = await run(there, 'moved', LOOK);
    expect(after.output).toBe(look.output);
    expect(after.output).toMatch(/built|ignored/);
    expect(after.output).toContain('ran\none\nchanged');
    expect(after.session).not.toBe(before.session);
    // Once more, with a server that starts in between.
    await there.restart();
    expect((await run(there, 'moved', 'true')).session).toBe(after.session);
    expect((await upload(there, 'moved', body)).body.error.code).toBe('agent_exists');

    // What was said goes along, also after a fork and another move.
    await tool(there, 'fork_agent', { agent_id: 'moved', new_agent_id: 'forked' });
    await run(there, 'forked', 'echo in the fork');
    const forked = await tool(there, 'snapshot', { agent_id: 'forked' });
    const again = await download(there, forked.snapshot_id);
    expect((await upload(here, 'returned', again.body)).body).toMatchObject({ conversation: true });
    await run(here, 'returned', 'true');
    const asked = JSON.stringify(here.model.requests.at(-1));
    expect(asked).toContain('git branch other');
    expect(asked).toContain('echo in the fork');
  });

  test('an agent goes back to a snapshot, of its conversation too', async () => {
    await run(here, 'back', 'echo first > a.txt');
    await tool(here, 'configure_agent', { agent_id: 'back', instructions: 'be brief' });
    const { snapshot_id } = await tool(here, 'snapshot', { agent_id: 'back' });
    await run(here, 'back', 'echo second > a.txt; echo more > b.txt');
    await tool(here, 'configure_agent', { agent_id: 'back', instructions: 'be long' });
    await expect(tool(here, 'restore', { snapshot_id, agent_id: 'back' })).rejects.toMatchObject({
      code: 'agent_exists',
    });
    await tool(here, 'restore', { snapshot_id, agent_id: 'back', replace: true });
    const { output } = await run(here, 'back', 'cat a.txt; ls');
    expect(output).toMatch(/^first\na\.txt\s*$/);
    const asked = JSON.stringify(here.model.requests.at(-1));
    expect(asked).toContain('echo first > a.txt');
    expect(asked).not.toContain('echo second > a.txt');
    expect(asked).toContain('be brief');
    const other = await tool(here, 'restore', { snapshot_id });
    expect(other.agent_id).toMatch(/^back-restored-[0-9a-f]{8}$/);
    expect(await fileOf(here, other.agent_id, 'a.txt')).toContain('first\n');
  });

  test('an archive that is broken or not ours changes nothing', async () => {
    await putFiles(there, 'kept', { 'a.txt': 'kept' });
    const manifest = {
      format: 1,
      product: { name: 'codex-mcp-server', version: '1' },
      ...{ codex_version: '1', agent_id: 'x', session_id: null, source: null },
      settings: {},
      created_at: new Date().toISOString(),
    };
    const text = JSON.stringify(manifest);
    const newer = text.replace('"format":1', '"format":2');
    const unknown = await archiveOf({ 'manifest.json': newer, 'workspace/a.txt': 'new' });
    for (const [agent, query] of [
      ['fresh', ''],
      ['kept', '?replace=true'],
    ] as const) {
      const { body: answer } = await upload(there, agent, unknown, query);
      expect(answer.error).toMatchObject({ code: 'archive_invalid', entry: 'manifest.json' });
    }
    const whole = gzipSync(await archiveOf({ 'manifest.json': text, 'workspace/a.txt': 'new' }));
    const cut = await upload(there, 'kept', whole.subarray(0, -30), '?replace=true');
    expect(cut.body.error.code).toBe('archive_invalid');
    expect(await fileOf(there, 'kept', 'a.txt')).toContain('kept');
    expect((await fetch(`${there.url}/api/v1/agents/fresh/settings`)).status).toBe(404);
    expect((await upload(there, 'fresh', whole)).body).toMatchObject({
      ...{ files: 1, conversation: false },
    });
    expect(await fileOf(there, 'fresh', 'a.txt')).toContain('new');
  });

  test('the oldest make room, and what is too large or busy is refused', async () => {
    await putFiles(here, 'many', { x: 'x' });
    const ids: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const { snapshot_id, removed } = await tool(here, 'snapshot', { agent_id: 'many' });
      expect(removed).toEqual(round < 2 ? [] : [ids[0]]);
      ids.push(snapshot_id);
    }
    expect(await names(here)).toEqual(expect.arrayContaining(ids.slice(1)));
    expect((await download(here, ids[0] ?? '')).status).toBe(404);
    await tool(here, 'delete_snapshot', { snapshot_id: ids[1] });
    expect(await names(here)).not.toContain(ids[1]);
    await putFiles(here, 'many', { big: Buffer.alloc(20_000_000) });
    const files = () => fs.readdirSync(path.join(here.dataDir, 'snapshots')).length;
    const count = files();
    await expect(tool(here, 'snapshot', { agent_id: 'many' })).rejects.toMatchObject({
      code: 'snapshot_too_large',
    });
    expect(files()).toBe(count);
    await expect(tool(here, 'snapshot', { agent_id: 'nobody' })).rejects.toMatchObject({
      code: 'agent_not_found',
    });
    const work = run(here, 'many', 'sleep 3');
    await expect
      .poll(() => tool(here, 'get_agent_status', { agent_id: 'many' }))
      .toMatchObject({ status: 'busy' });
    await expect(tool(here, 'snapshot', { agent_id: 'many' })).rejects.toMatchObject({
      code: 'agent_busy',
    });
    await work;
    await here.restart({ SNAPSHOT_DISK_RESERVE: '999999g' });
    await expect(tool(here, 'snapshot', { agent_id: 'many' })).rejects.toMatchObject({
      code: 'storage_full',
    });
    await here.restart();
  });
});

test('only the owner, and administrators, see snapshots', async () => {
  await using server = await startTestServer({
    runtime: 'process',
    script: obey,
    environment: { JWT_SECRET: SECRET },
  });
  const as = async (sub: string, role: string, name: string, args: object) => {
    await using client = await connect(server, 'http', '', await sign({ sub, role }));
    return await call(client, name, { ...args });
  };
  await as('ann', 'developer', 'configure_agent', { agent_id: 'a', instructions: 'be brief' });
  const { snapshot_id } = await as('ann', 'developer', 'snapshot', { agent_id: 'a' });
  const own = { snapshot_id, agent_id: 'a' };
  expect((await as('ann', 'developer', 'list_snapshots', {})).snapshots).toMatchObject([own]);
  expect((await as('bob', 'developer', 'list_snapshots', {})).snapshots).toEqual([]);
  const seen = await as('root', 'admin', 'list_snapshots', { agent_id: 'a@ann' });
  expect(seen.snapshots).toMatchObject([{ snapshot_id, agent_id: 'a@ann' }]);
  for (const name of ['restore', 'delete_snapshot']) {
    await expect(as('bob', 'developer', name, { snapshot_id })).rejects.toMatchObject({
      code: 'snapshot_not_found',
    });
    await expect(as('ann', 'viewer', name, { snapshot_id })).rejects.toMatchObject({
      code: 'forbidden',
    });
  }
  const get = async (sub: string) => {
    const headers = { authorization: `Bearer ${await sign({ sub, role: 'developer' })}` };
    const answer = await fetch(`${server.url}/api/v1/snapshots/${snapshot_id}`, { headers });
    await answer.body?.cancel();
    return answer.status;
  };
  expect([await get('bob'), await get('ann')]).toEqual([404, 200]);
  // It outlives its agent, and brings it back.
  const remove = { older_than_seconds: 0, remove: true };
  await as('root', 'admin', 'cleanup_inactive_agents', remove);
  await as('ann', 'developer', 'restore', { snapshot_id, agent_id: 'a' });
  const settings = await as('ann', 'developer', 'configure_agent', { agent_id: 'a' });
  expect(settings.instructions).toBe('be brief');
});

test('a server that is killed while it writes leaves no half snapshot', async () => {
  await using world = await createWorld('process');
  const first = await world.start();
  await putFiles(first, 'a', { x: 'x' });
  const workspace = path.join(world.dataDir, 'agents/a/workspace');
  fs.writeFileSync(path.join(workspace, 'big'), randomBytes(120_000_000));
  const directory = path.join(world.dataDir, 'snapshots');
  const body = JSON.stringify({ agent_id: 'a' });
  const headers = { 'content-type': 'application/json' };
  const url = `${first.url}/tools/snapshot`;
  const lost = fetch(url, { method: 'POST', headers, body }).catch(() => 'lost');
  await expect
    .poll(() => fs.readdirSync(directory), { timeout: 90_000, interval: 20 })
    .toEqual([expect.stringMatching(/\.part$/)]);
  await kill(first, 'SIGKILL');
  await lost;
  expect(fs.readdirSync(directory)).toHaveLength(1);
  const second = await world.start();
  expect(fs.readdirSync(directory)).toEqual([]);
  await using later = await connect(second);
  expect((await call(later, 'list_snapshots', {})).snapshots).toEqual([]);
  fs.rmSync(path.join(workspace, 'big'));
  expect(await call(later, 'snapshot', { agent_id: 'a' })).toMatchObject({ agent_id: 'a' });
});

function sign(claims: { sub: string; role: string }): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
}

/** `tar` of anybody reads what it holds. */
function expectReadableByTar(body: Buffer): void {
  const list = execFileSync('tar', ['-tzf', '-'], { input: body, encoding: 'utf8' }).split('\n');
  expect(list[0]).toBe('manifest.json');
  expect(list.filter((name) => /^sessions\/.*\.jsonl$/.test(name))).toHaveLength(1);
  expect(list).toEqual(expect.arrayContaining(['workspace/.git/HEAD', 'workspace/ignored']));
  const extract = ['-xzOf', '-', 'manifest.json'];
  const manifest = execFileSync('tar', extract, { input: body, encoding: 'utf8' });
  expect(JSON.parse(manifest)).toMatchObject({ format: 1, agent_id: 'mover' });
}
