import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { cleanSettings, connectStdio } from '../cli/stdio-program.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { readEvents } from '../transports/rest/event-reader.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

const SECRET = 'signs-the-tokens-of-all-callers-of-this-test';
/** The agent of Ann in tests that need no other. */
const OWN = 'quince';

let server: TestServer;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  server = await startTestServer({
    runtime: 'process',
    script: answerAnything,
    environment: { JWT_SECRET: SECRET },
  });
  tokens.ann = await sign({ sub: 'ann', role: 'developer' });
  tokens.bob = await sign({ sub: 'bob', role: 'developer' });
  tokens.watcher = await sign({ sub: 'ann', role: 'viewer' });
  tokens.narrow = await sign({ sub: 'ann', role: 'developer', agents: ['other'] });
  tokens.judge = await sign({ sub: 'judge', role: 'approver' });
  tokens.admin = await sign({ sub: 'root', role: 'admin' });
  tokens.namesake = await sign({ sub: 'ann', role: 'developer', tenant: 'elsewhere' });
  tokens.stranger = await sign({ sub: 'root', role: 'admin', tenant: 'elsewhere' });
});
afterAll(() => server[Symbol.asyncDispose]());

const as = (who: string, query = '') => connect(server, 'http', query, tokens[who]);

describe.each(['sse', 'http'] as const)('over %s', (transport) => {
  test('two callers give the same name to agents of their own', async () => {
    const agent_id = 'work';
    await using ann = await connect(server, transport, '', tokens.ann);
    await using bob = await connect(server, transport, `?agent_id=${agent_id}`, tokens.bob);
    const anns = await call(ann, 'plan', { task: 'The plan of Ann', agent_id });
    const bobs = await call(bob, 'plan', { task: 'The plan of Bob' });
    expect([anns.agent_id, bobs.agent_id]).toEqual([agent_id, agent_id]);
    expect(anns.session_id).not.toBe(bobs.session_id);
    const asked = JSON.stringify(server.model.requests.at(-1)?.body);
    expect(asked).toContain('The plan of Bob');
    expect(asked).not.toContain('Ann');

    for (const [caller, session] of [
      [ann, anns],
      [bob, bobs],
    ] as const) {
      const { sessions } = await call(caller, 'list_sessions', { agent_id });
      expect(sessions).toMatchObject([{ agent_id, session_id: session.session_id }]);
      const { turns } = await call(caller, 'list_turns', { agent_id });
      expect(turns).toHaveLength(sessions[0].turns);
      expect(turns[0]).toMatchObject({ agent_id, turn_id: session.turn_id });
      const { turn_id } = session;
      expect((await call(caller, 'get_turn', { turn_id })).result.agent_id).toBe(agent_id);
      expect(await call(caller, 'get_agent_status', { agent_id })).toMatchObject({ agent_id });
    }
    expect(await call(bob, 'get_my_session_info')).toMatchObject({ agent_id, exists: true });
  });

  test('without a token, or with a wrong one, nobody gets in', async () => {
    await expect(connect(server, transport)).rejects.toThrow(/401|Unauthorized/i);
    await expect(connect(server, transport, '', `${tokens.ann}x`)).rejects.toThrow(/401|Unauth/i);
    await expect(connect(server, transport, `?token=${tokens.ann}`)).rejects.toThrow(/401|Unauth/i);
  });
});

test('what is another caller’s is as if it were not there', async () => {
  const agent_id = OWN;
  await using ann = await as('ann');
  await using bob = await as('bob');
  const { turn_id, session_id } = await call(ann, 'plan', { task: 'x', agent_id });
  const before = await call(ann, 'list_sessions', { agent_id });
  const attempts: [string, Record<string, unknown>, RegExp][] = [
    ['get_turn', { turn_id }, /turn_not_found/],
    ['wait_turn', { turn_id }, /turn_not_found/],
    ['cancel_turn', { turn_id }, /turn_not_found/],
    ['steer', { turn_id, message: 'x' }, /turn_not_found/],
    ['list_sessions', { agent_id }, /agent_not_found/],
    ['get_agent_status', { agent_id }, /agent_not_found/],
    ['get_agent_status', { agent_id: `${agent_id}@ann` }, /agent_not_found/],
    ['pin', { agent_id }, /agent_not_found/],
    ['unpin', { agent_id: `${agent_id}@ann` }, /agent_not_found/],
    ['plan', { task: 'x', agent_id: `${agent_id}@ann` }, /agent_not_found/],
    ['fork_agent', { agent_id }, /agent_not_found/],
    ['promote_candidate', { turn_id, none: true }, /turn_not_found/],
    ['revert_turn', { turn_id }, /turn_not_found/],
    ['get_changes', { turn_id }, /turn_not_found/],
    ['get_changes', { session_id }, /thread_not_found/],
    ['review', { target: { turn_id } }, /turn_not_found/],
    ['snapshot', { agent_id }, /agent_not_found/],
    ['cleanup_inactive_agents', { agent_id, remove: true }, /agent_not_found/],
    ['codex-reply', { prompt: 'x', threadId: session_id }, /thread_not_found/],
    ['codex-session-info', { session_id }, /thread_not_found/],
  ];
  for (const [tool, args, refusal] of attempts) {
    await expect(call(bob, tool, args), tool).rejects.toThrow(refusal);
  }
  const shown = await Promise.all([
    call(bob, 'list_sessions'),
    call(bob, 'list_turns'),
    call(bob, 'list_active_agents'),
    call(bob, 'codex-session-info', { list_active: true }),
    call(bob, 'cleanup_inactive_agents', { older_than_seconds: 0, dry_run: true }),
    call(bob, 'codex-cleanup', { force: true }),
  ]);
  for (const each of shown) {
    expect(JSON.stringify(each)).not.toMatch(new RegExp(`${agent_id}|${turn_id}|${session_id}`));
  }
  expect(await call(ann, 'list_sessions', { agent_id })).toMatchObject({
    sessions: before.sessions.map(({ status, pinned, turns }: Record<string, unknown>) => {
      return { status, pinned, turns };
    }),
  });
});

test('roles bound what a caller may do', async () => {
  const agent_id = OWN;
  await using ann = await as('ann');
  const { turn_id } = await call(ann, 'plan', { task: 'x', agent_id });
  await using watcher = await as('watcher');
  expect((await call(watcher, 'get_turn', { turn_id })).state).toBe('completed');
  for (const [tool, args] of [
    ['plan', { task: 'x', agent_id }],
    ['cancel_turn', { turn_id }],
    ['pin', { agent_id }],
    ['cleanup_inactive_agents', {}],
    ['fork_agent', { agent_id }],
    ['promote_candidate', { turn_id, none: true }],
    ['revert_turn', { turn_id }],
    ['snapshot', { agent_id }],
    ['configure_agent', { agent_id, instructions: 'x' }],
  ] as const) {
    await expect(call(watcher, tool, args), tool).rejects.toThrow(/forbidden/);
  }
  await using narrow = await as('narrow');
  await expect(call(narrow, 'plan', { task: 'x', agent_id })).rejects.toThrow(/agent_not_found/);
  await expect(call(narrow, 'get_turn', { turn_id })).rejects.toThrow(/turn_not_found/);
  expect(JSON.stringify(await call(narrow, 'list_sessions'))).not.toContain(agent_id);
  const other = { agent_id: 'other' };
  expect(await call(narrow, 'configure_agent', other)).toMatchObject(other);
  await using admin = await as('admin');
  const named = `${agent_id}@ann`;
  expect(await call(admin, 'get_agent_status', { agent_id: named })).toMatchObject({
    agent_id: named,
  });
  expect((await call(admin, 'get_turn', { turn_id })).agent_id).toBe(named);
  expect((await call(admin, 'plan', { task: 'x', agent_id: named })).agent_id).toBe(named);
  await using stranger = await as('stranger');
  expect(JSON.stringify(await call(stranger, 'list_sessions'))).not.toContain(`"${named}"`);
  await expect(call(stranger, 'get_turn', { turn_id })).rejects.toThrow(/turn_not_found/);
});

test('routes without MCP keep callers apart too', async () => {
  const get = (path: string, who?: string, init: RequestInit = {}) =>
    fetch(`${server.url}${path}`, { ...init, headers: { ...bearer(who), ...init.headers } });
  const plan = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ task: 'x', agent_id: OWN }),
  };
  const planned = await get('/tools/plan', 'ann', plan);
  const { turn_id } = (await planned.json()) as { turn_id: string };
  expect((await get(`/api/v1/turns/${turn_id}`, 'ann')).status).toBe(200);
  const sse = { headers: { accept: 'text/event-stream' } };
  for (const [path, init] of [
    [`/api/v1/turns/${turn_id}`, {}],
    [`/api/v1/turns/${turn_id}/events`, sse],
    [`/api/v1/agents/${OWN}/events`, sse],
  ] as const) {
    expect((await get(path, 'bob', init)).status, path).toBe(404);
    expect((await get(path, undefined, init)).status, path).toBe(401);
  }
  const refused = await get('/tools/plan', undefined, plan);
  expect(refused.status).toBe(401);
  expect(refused.headers.get('www-authenticate')).toBe('Bearer realm="codex-mcp-server"');
  expect((await get('/tools/plan', 'watcher', plan)).status).toBe(403);
  expect(await (await get('/health')).json()).toEqual({
    ready: true,
    status: expect.any(String),
    version: '0.0.0-test',
  });
  expect((await get('/ping')).status).toBe(200);
});

test('a caller hears of its own agents only, by their names', async () => {
  const url = `${server.url}/api/v1/agents/events`;
  await using anns = await readEvents(url, bearer('ann'));
  await using bobs = await readEvents(url, bearer('bob'));
  await using admins = await readEvents(url, bearer('admin'));
  await using ann = await connect(server, 'http', '', tokens.ann);
  await call(ann, 'cleanup_inactive_agents', { agent_id: OWN });
  await call(ann, 'plan', { task: 'x', agent_id: OWN });
  const woken = ({ events }: typeof anns) =>
    events.filter(({ event }) => event === 'agent_woken').map(({ data }) => data.agent_id);
  await expect.poll(() => woken(anns)).toEqual([OWN]);
  await expect.poll(() => woken(admins)).toEqual([`${OWN}@ann`]);
  expect(woken(bobs)).toEqual([]);
});

test('the same name in another tenant is somebody else', async () => {
  await using ann = await connect(server, 'http', '', tokens.ann);
  await using namesake = await connect(server, 'http', '', tokens.namesake);
  const agent_id = OWN;
  const { turn_id, session_id } = await call(ann, 'plan', { task: 'x', agent_id });
  expect(await call(namesake, 'list_sessions')).toMatchObject({ total: 0 });
  await expect(call(namesake, 'get_turn', { turn_id })).rejects.toThrow(/turn_not_found/);
  const own = await call(namesake, 'plan', { task: 'x', agent_id });
  expect(own).toMatchObject({ agent_id });
  expect(own.session_id).not.toBe(session_id);
  await using stranger = await connect(server, 'http', '', tokens.stranger);
  const { sessions } = await call(stranger, 'list_sessions');
  expect(sessions).toMatchObject([{ agent_id: `${agent_id}@elsewhere/ann` }]);
});

test('ways out are opened by an approver of the tenant, and by nobody for itself', async () => {
  await using ann = await connect(server, 'http', '', tokens.ann);
  await using judge = await connect(server, 'http', '', tokens.judge);
  await using admin = await connect(server, 'http', '', tokens.admin);
  const agent_id = 'outward';
  await call(ann, 'configure_agent', { agent_id });
  const way = { agent_id, host: 'example.org' };
  await expect(call(ann, 'allow_egress', way)).rejects.toThrow(/forbidden/);
  const named = { ...way, agent_id: `${agent_id}@ann` };
  expect(await call(judge, 'allow_egress', named)).toMatchObject({
    ...{ agent_id: `${agent_id}@ann`, effect: 'allow', decided_by: 'judge' },
  });
  expect((await call(ann, 'list_egress', { agent_id })).rules).toHaveLength(1);
  await call(admin, 'deny_egress', named);
  expect((await call(ann, 'list_egress', { agent_id })).rules).toMatchObject([{ effect: 'deny' }]);
  for (const tool of ['plan', 'get_agent_status', 'pin'] as const) {
    const args = { agent_id: named.agent_id, ...(tool === 'plan' && { task: 'x' }) };
    await expect(call(judge, tool, args)).rejects.toThrow(/forbidden|agent_not_found/);
  }
  await using outside = await connect(server, 'http', '', tokens.stranger);
  await expect(call(outside, 'allow_egress', named)).rejects.toThrow(/agent_not_found/);
});

test('a client over stdio shows the token of its environment', async () => {
  const settings = await cleanSettings();
  const args = ['--url', server.url];
  await using ann = await connectStdio(args, { ...settings, CODEX_MCP_TOKEN: tokens.ann ?? '' });
  const { agent_id, turn_id } = await call(ann, 'plan', { task: 'x', agent_id: OWN });
  expect(agent_id).toBe(OWN);
  await using over = await connect(server, 'sse', '', tokens.ann);
  expect(await call(over, 'get_turn', { turn_id })).toMatchObject({ agent_id: OWN });
  await expect(connectStdio(args, settings)).rejects.toThrow();
});

test('a session belongs to the caller that opened it', async () => {
  await using ann = await connect(server, 'http', '', tokens.ann);
  const { sessionId } = ann.client.transport ?? {};
  const post = (path: string, headers: Record<string, string>) =>
    fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: {
        ...bearer('bob'),
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
    });
  expect(sessionId).toBeTruthy();
  expect((await post('/mcp', { 'mcp-session-id': String(sessionId) })).status).toBe(404);
  const left = new AbortController();
  const accept = { accept: 'text/event-stream' };
  const { body } = await fetch(`${server.url}/sse`, {
    headers: { ...bearer('ann'), ...accept },
    signal: left.signal,
  });
  const { value } = (await body?.getReader().read()) ?? {};
  const endpoint = /\/messages\S+/.exec(Buffer.from(value ?? []).toString())?.[0] ?? '';
  expect((await post(endpoint, {})).status).toBe(404);
  expect((await post(endpoint, bearer('ann'))).status).toBe(202);
  left.abort();
});

test.each(['sse', 'http'] as const)(
  'every request of a session over %s acts with its own token',
  async (transport) => {
    const headers = { authorization: `Bearer ${tokens.ann}` };
    const Transport = transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
    const url = new URL(`${server.url}${transport === 'sse' ? '/sse' : '/mcp'}`);
    const client = new Client({ name: 'e2e', version: '1.0.0' });
    await client.connect(new Transport(url, { requestInit: { headers } }));
    await using session = { client, progress: [], [Symbol.asyncDispose]: () => client.close() };
    const agent = { agent_id: 'by-token' };
    await call(session, 'plan', { task: 'x', ...agent });

    headers.authorization = `Bearer ${tokens.watcher}`;
    const refused = { code: 'forbidden', message: expect.stringContaining('Your roles (viewer)') };
    await expect(call(session, 'plan', { task: 'x', ...agent })).rejects.toMatchObject(refused);
    expect(await call(session, 'get_agent_status', agent)).toMatchObject(agent);
    headers.authorization = `Bearer ${tokens.narrow}`;
    await expect(call(session, 'get_agent_status', agent)).rejects.toMatchObject({
      code: 'agent_not_found',
    });
    headers.authorization = `Bearer ${tokens.ann}`;
    await call(session, 'plan', { task: 'x', ...agent });
  },
);

test('tasks of others cannot be seen, cancelled or waited for', async () => {
  await using ann = await connect(server, 'http', '', tokens.ann);
  await using bob = await connect(server, 'http', '', tokens.bob);
  const { turn_id } = await call(ann, 'plan', { task: 'x', agent_id: OWN });
  const ask = (of: Connection, method: string, params: object) =>
    of.client.request({ method, params } as never, z.looseObject({}) as never);
  expect(await ask(ann, 'tasks/get', { taskId: turn_id })).toMatchObject({ status: 'completed' });
  for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) {
    await expect(ask(bob, method, { taskId: turn_id })).rejects.toThrow(/no turn/);
  }
  expect(JSON.stringify(await ask(bob, 'tasks/list', {}))).not.toContain(turn_id);
});

function bearer(who: string | undefined): Record<string, string> {
  return who === undefined ? {} : { authorization: `Bearer ${tokens[who]}` };
}

function sign(claims: Record<string, unknown>): Promise<string> {
  const key = new TextEncoder().encode(SECRET);
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(key);
}
