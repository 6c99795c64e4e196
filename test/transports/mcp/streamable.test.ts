import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startTestServer, type TestServer, until } from '../http/test-server.ts';
import { CLIENTS } from './clients.ts';

const MODERN = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

test('a session begins with initialize, which hands out its id', async () => {
  await using server = await startTestServer();
  const { response, id } = await initialize(server);
  expect(response.status).toBe(200);
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(response.headers.get('x-correlation-id')).toMatch(/^[0-9a-f-]{36}$/);
  expect(await (await rpc(server, 'tools/list', {}, id)).text()).toContain('"name":"echo"');
});

test('the correlation id of the answer is the one that the tool sees', async () => {
  await using server = await startTestServer();
  const { id } = await initialize(server);
  const response = await rpc(server, 'tools/call', echo, id, { 'x-correlation-id': 'forged' });
  await response.text();
  expect(server.seen.correlationIds).toEqual([response.headers.get('x-correlation-id')]);
});

test.each(['POST', 'GET', 'DELETE'])('a %s with an unknown session id is 404', async (method) => {
  await using server = await startTestServer();
  const response = await fetch(`${server.url}/mcp`, {
    method,
    headers: { ...HEADERS, 'mcp-session-id': 'gone' },
    body: method === 'POST' ? JSON.stringify(message('tools/list', {})) : null,
  });
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({
    jsonrpc: '2.0',
    error: { code: -32001, data: { code: 'session_expired' } },
  });
});

test('a request that is neither initialize nor in a session is 400', async () => {
  await using server = await startTestServer();
  expect((await rpc(server, 'tools/list', {})).status).toBe(400);
  expect((await fetch(`${server.url}/mcp`)).status).toBe(400);
  expect((await fetch(`${server.url}/mcp`, { method: 'POST' })).status).toBe(400);
});

test('an initialize that fails leaves no session behind', async () => {
  await using server = await startTestServer({ MAX_MCP_SESSIONS: '1' });
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const response = await rpc(server, 'initialize', initializeParams, undefined, {
      accept: 'text/html',
    });
    expect(response.status).toBe(406);
  }
  expect((await initialize(server)).response.status).toBe(200);
});

test('DELETE ends the session, and what it asked for goes on', async () => {
  await using server = await startTestServer();
  const { id } = await initialize(server);
  const call = rpc(server, 'tools/call', { name: 'slow', arguments: { ms: 60_000 } }, id);
  await until(() => server.seen.running === 1);
  const headers = { 'mcp-session-id': id };
  expect((await fetch(`${server.url}/mcp`, { method: 'DELETE', headers })).status).toBe(200);
  await (await call).text();
  expect(server.seen).toMatchObject({ running: 1, aborted: 0 });
  expect((await rpc(server, 'tools/list', {}, id)).status).toBe(404);
});

test('a GET stream opens at once and frees its place when the client leaves', async () => {
  await using server = await startTestServer();
  const { id } = await initialize(server);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const controller = new AbortController();
    const response = await openGetStream(server, id, controller.signal);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    controller.abort();
    await delay(50);
  }
});

test('a call goes on when its client of 2025 vanishes', async () => {
  await using server = await startTestServer();
  const { id } = await initialize(server);
  const controller = new AbortController();
  const params = { name: 'slow', arguments: { ms: 300 } };
  const response = await rpc(server, 'tools/call', params, id, {}, controller.signal);
  expect(response.status).toBe(200);
  controller.abort();
  await until(() => server.seen.completed === 1);
  expect(server.seen.aborted).toBe(0);
});

test('the stream of a cancelled call ends', async () => {
  await using server = await startTestServer();
  const { id } = await initialize(server);
  const params = { name: 'slow', arguments: { ms: 60_000 } };
  const response = await rpc(server, 'tools/call', params, id);
  await until(() => server.seen.running === 1);
  const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } };
  const accepted = await post(server, cancelled, { 'mcp-session-id': id });
  expect(accepted.status).toBe(202);
  expect(await response.text()).toBe('');
  expect(server.seen.running).toBe(0);
});

test('a session that nobody uses is closed after MCP_SESSION_IDLE', async () => {
  await using server = await startTestServer({ MCP_SESSION_IDLE: '1' });
  const { id } = await initialize(server);
  await until(() => server.logLines.some((line) => line.includes('MCP session closed')));
  expect((await rpc(server, 'tools/list', {}, id)).status).toBe(404);
});

test('a running call and an open GET stream keep a session from being idle', async () => {
  await using server = await startTestServer({ MCP_SESSION_IDLE: '1' });
  const [calling, listening] = [await initialize(server), await initialize(server)];
  const controller = new AbortController();
  await openGetStream(server, listening.id, controller.signal);
  const leaving = new AbortController();
  const params = { name: 'slow', arguments: { ms: 2500 } };
  await rpc(server, 'tools/call', params, calling.id, {}, leaving.signal);
  leaving.abort();
  await delay(2200);
  expect((await rpc(server, 'tools/list', {}, calling.id)).status).toBe(200);
  expect((await rpc(server, 'tools/list', {}, listening.id)).status).toBe(200);
  controller.abort();
});

test('revision 2026-07-28 needs no session and says how long the list holds', async () => {
  await using server = await startTestServer();
  const discovered = await modern(server, 'server/discover', {});
  expect(discovered).toContain('2026-07-28');
  const listed = await modern(server, 'tools/list', {});
  expect(listed).toMatch(/"ttlMs":300000/);
  expect(listed).toMatch(/"cacheScope":"private"/);
  expect(listed).toMatch(/"resultType":"complete"/);
});

test('a stateless client that leaves cancels its call', async () => {
  await using server = await startTestServer();
  const controller = new AbortController();
  const params = { name: 'slow', arguments: { ms: 60_000 } };
  const left = modern(server, 'tools/call', params, controller.signal).catch(() => 'left');
  await until(() => server.seen.running === 1);
  controller.abort();
  expect(await left).toBe('left');
  await until(() => server.seen.aborted === 1);
});

test('a long stateless call answers its head at once', async () => {
  await using server = await startTestServer();
  const response = await modernRequest(server, 'tools/call', {
    name: 'slow',
    arguments: { ms: 300 },
  });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  expect(server.seen.completed).toBe(0);
  expect(await response.text()).toContain('"done":true');
});

test('a client whose session is gone can initialize anew', async () => {
  await using server = await startTestServer();
  const connect = CLIENTS[1]?.[1];
  await using first = await connect?.(server.url);
  await using second = await connect?.(server.url);
  expect((await first?.call('echo', { message: '1' }))?.isError).toBeFalsy();
  expect((await second?.call('echo', { message: '2' }))?.isError).toBeFalsy();
});

const HEADERS = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
};
const initializeParams = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'raw', version: '1' },
};
const echo = { name: 'echo', arguments: { message: 'hi' } };

function message(method: string, params: object) {
  return { jsonrpc: '2.0', id: 1, method, params };
}

async function initialize(server: TestServer) {
  const response = await rpc(server, 'initialize', initializeParams);
  await response.text();
  return { response, id: response.headers.get('mcp-session-id') ?? '' };
}

function rpc(
  server: TestServer,
  method: string,
  params: object,
  session?: string,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  const inSession = { ...(session && { 'mcp-session-id': session }), ...headers };
  return post(server, message(method, params), inSession, signal);
}

function post(
  { url }: TestServer,
  body: object,
  headers: Record<string, string>,
  signal: AbortSignal | null = null,
): Promise<Response> {
  const init = { method: 'POST', body: JSON.stringify(body), signal };
  return fetch(`${url}/mcp`, { ...init, headers: { ...HEADERS, ...headers } });
}

function openGetStream({ url }: TestServer, session: string, signal: AbortSignal) {
  const headers = { accept: 'text/event-stream', 'mcp-session-id': session };
  return fetch(`${url}/mcp`, { headers, signal });
}

function modernRequest(
  server: TestServer,
  method: string,
  params: { name?: string; arguments?: object },
  signal?: AbortSignal,
): Promise<Response> {
  const headers = {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': method,
    ...(params.name && { 'mcp-name': params.name }),
  };
  return post(server, message(method, { ...params, _meta: MODERN }), headers, signal);
}

async function modern(...request: Parameters<typeof modernRequest>): Promise<string> {
  return (await modernRequest(...request)).text();
}
