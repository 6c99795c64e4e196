import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AuditReader } from '../../src/audit/audit-reader.ts';
import { answerAnything, runsOnce } from '../fakes/stand-in-model/script.ts';
import { GitClient, remoteOf } from './git-client.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const SECRET = 'signs-the-tokens-of-all-callers-of-this-test';

let server: TestServer;
let ann: string[];
let bob: string[];
let watcher: string[];

beforeAll(async () => {
  server = await startTestServer({
    runtime: 'process',
    script: answerAnything,
    environment: { JWT_SECRET: SECRET, GIT_MAX_PUSH_BYTES: '1048576', REQUEST_LIMIT_RPM: '200' },
  });
  [ann, bob, watcher] = [await header('ann'), await header('bob'), await header('ann', 'viewer')];
});
afterAll(() => server[Symbol.asyncDispose]());

const remote = (agentId: string) => remoteOf(server, agentId);

test('without a token git asks for one, and with another’s it finds nothing', async () => {
  using mine = await GitClient.repository({ 'a.txt': 'one\n' });
  const nobody = await mine.try('ls-remote', remote('secret'));
  expect(nobody.output).toContain('could not read Username');
  const wrong = remote('secret').replace('//', '//x:wrong@');
  expect((await mine.try('ls-remote', wrong)).output).toMatch(
    /remote: The token is invalid[\s\S]*Authentication failed/,
  );
  const answer = await fetch(`${remote('secret')}/info/refs?service=git-upload-pack`);
  expect(answer.status).toBe(401);
  expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
  expect(await answer.json()).toMatchObject({ error: { code: 'unauthorized' } });

  await mine.git(...ann, 'push', '-q', remote('secret'), 'main');
  const password = remote('secret').replace('//', `//any:${token(ann)}@`);
  expect(await mine.git('ls-remote', password)).toContain('refs/heads/main');
  expect((await mine.try(...bob, 'ls-remote', remote('secret'))).output).toMatch(
    /remote: There is no agent "secret"[\s\S]*not found/,
  );
  expect((await mine.try(...watcher, 'push', remote('secret'), 'main:x')).output).toMatch(
    /remote: Your roles \(viewer\) do not allow/,
  );
  expect(await mine.git(...watcher, 'ls-remote', remote('secret'))).toContain('refs/heads/main');
});

test('a GET begins no agent: it shows an empty repository, to which a push can go', async () => {
  const refs = (service: string) =>
    fetch(`${remote('ghost')}/info/refs?service=${service}`, {
      headers: { authorization: `Bearer ${token(ann)}` },
    });
  const told = await refs('git-receive-pack');
  expect(told.headers.get('content-type')).toBe('application/x-git-receive-pack-advertisement');
  expect(await told.text()).toContain(`${'0'.repeat(40)} capabilities^{}`);
  expect((await refs('git-upload-pack')).status).toBe(404);
  await using client = await connect(server, 'http', '', token(ann));
  const status = call(client, 'get_agent_status', { agent_id: 'ghost' });
  await expect(status).rejects.toMatchObject({ code: 'agent_not_found' });

  using mine = await GitClient.repository({ 'a.txt': 'one\n' });
  await mine.git(...ann, 'push', '-q', remote('ghost'), 'main', 'main:side');
  expect(await mine.git(...ann, 'ls-remote', '--heads', remote('ghost'))).toMatch(
    /refs\/heads\/main\n.*refs\/heads\/side/,
  );
});

test('a push waits for no turn: it is refused, and nothing changed', async () => {
  using mine = await GitClient.repository({ 'a.txt': 'one\n' });
  await mine.git(...ann, 'push', '-q', remote('busy'), 'main');
  const before = await mine.git(...ann, 'ls-remote', remote('busy'));
  const mayEnd = mine.path('may-end');
  server.model.setScript(runsOnce(`until [ -e ${mayEnd} ]; do sleep 0.1; done`));
  await using client = await connect(server, 'http', '', token(ann));
  const turn = call(client, 'implement', { task: 'x', agent_id: 'busy' });
  await expect.poll(() => server.model.requests.length).toBeGreaterThan(0);
  await mine.commit({ 'a.txt': 'two\n' });
  expect((await mine.try(...ann, 'push', remote('busy'), 'main')).output).toMatch(
    /remote: Agent busy is at work: nothing was changed/,
  );
  // A client that asked before the turn began is told in git's own protocol.
  const late = await fetch(`${remote('busy')}/git-receive-pack`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token(ann)}`,
      'user-agent': 'git/2.39.5',
      'content-type': 'application/x-git-receive-pack-request',
    },
    body: '00000000',
  });
  expect(await late.text()).toContain('\u0003Agent busy is at work');
  using theirs = new GitClient();
  await theirs.git(...ann, 'clone', '-q', remote('busy'), '.');
  expect(theirs.read('a.txt')).toBe('one\n');
  mine.write({ 'may-end': '' });
  await turn;
  expect(await mine.git(...ann, 'ls-remote', remote('busy'))).toBe(before);
  await mine.git(...ann, 'push', '-q', remote('busy'), 'main');
});

test('of two pushes at once each is taken whole, or refused with a reason', async () => {
  using mine = await GitClient.repository({ 'a.txt': 'one\n' });
  await mine.git(...ann, 'push', '-q', remote('twice'), 'main');
  const pushes = await Promise.all(
    ['x', 'y', 'z'].map((name) => mine.try(...ann, 'push', remote('twice'), `main:${name}`)),
  );
  const refused = pushes.filter(({ code }) => code !== 0);
  for (const { output } of refused) expect(output).toMatch(/remote: Agent twice is at work/);
  const refs = await mine.git(...ann, 'ls-remote', '--heads', remote('twice'));
  expect(refs.split('\n')).toHaveLength(1 + pushes.length - refused.length);
  expect(refused.length).toBeLessThan(pushes.length);
});

test('a push that is too large is refused in words', async () => {
  using mine = await GitClient.repository({ 'a.txt': 'one\n' });
  await mine.git(...ann, 'push', '-q', remote('large'), 'main');
  await mine.commit({ 'big.bin': randomBytes(1_500_000) });
  const refused = await mine.try(...ann, 'push', remote('large'), 'main');
  expect(refused.output).toMatch(/pack exceeds maximum allowed size/);
  expect(await mine.git(...ann, 'ls-remote', remote('large'))).toContain('refs/heads/main');
});

test('each push and fetch is in the audit', async () => {
  using mine = await GitClient.repository({ 'a.txt': 'one\n' });
  const tip = await mine.git('rev-parse', 'HEAD');
  await mine.git(...ann, 'push', '-q', remote('told'), 'main');
  using theirs = new GitClient();
  await theirs.git(...ann, 'clone', '-q', remote('told'), '.');
  const push = {
    principal: 'ann',
    correlationId: expect.any(String),
    data: { outcome: 'ok', refs: [`refs/heads/main ${'0'.repeat(12)}..${tip.slice(0, 12)}`] },
  };
  const told = () => gitRecords().filter(({ agentId }) => agentId?.startsWith('told'));
  await expect.poll(() => told().length).toBe(2);
  expect(told()).toMatchObject([push, { data: { service: 'git-upload-pack', outcome: 'ok' } }]);
  const outcomes = gitRecords().map(({ data }) => data?.outcome);
  expect(outcomes).toEqual(expect.arrayContaining(['agent_busy', 'forbidden', 'agent_not_found']));
});

test('too many requests are told in words', async () => {
  const headers = { authorization: `Bearer ${token(bob)}` };
  const many = Array.from({ length: 200 }, () => fetch(`${server.url}/tools`, { headers }));
  await Promise.all(many);
  using mine = new GitClient();
  expect((await mine.try(...bob, 'ls-remote', remote('told'))).output).toMatch(
    /remote: There were 200 requests of yours in this minute/,
  );
});

type Seen = { agentId?: string; data?: { outcome?: string } };

function gitRecords(): Seen[] {
  using reader = new AuditReader(path.join(server.dataDir, 'audit.sqlite'));
  return [...reader.records({ types: ['git'] })].map(({ text }) => JSON.parse(text));
}

function token(options: readonly string[]): string {
  return options.join(' ').split('Bearer ')[1] ?? '';
}

/** The options of git that send a token. */
async function header(sub: string, role = 'developer'): Promise<string[]> {
  const jwt = await new SignJWT({ sub, role })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
  return ['-c', `http.extraHeader=Authorization: Bearer ${jwt}`];
}
