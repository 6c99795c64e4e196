import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { afterEach, expect, test, vi } from 'vitest';
import { bodyOf, startTestServer, type TestServer, until } from '../http/test-server.ts';
import { CLIENTS } from './clients.ts';

type RpcFailure = { id: null; error: { code: number; message: string; data: { code: string } } };

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2024-11-05',
    capabilities: {},
    clientInfo: { name: 'c', version: '1' },
  },
};

afterEach(() => vi.useRealTimers());

test('the stream begins with the endpoint, which keeps the query of the URL', async () => {
  await using server = await startTestServer();
  const stream = await openStream(server, '?agent_id=bob&token=x');
  expect(await stream.next()).toMatch(
    /^event: endpoint\ndata: \/messages\?agent_id=bob&token=x&sessionId=[0-9a-f-]{36}\n\n$/,
  );
  expect(stream.headers.get('cache-control')).toContain('no-cache');
});

test('a posted message is accepted with 202 and answered on the stream', async () => {
  await using server = await startTestServer();
  const { stream, send } = await openSession(server, '?agent_id=bob');
  expect((await send(INITIALIZE)).status).toBe(202);
  expect(await stream.next()).toContain('"serverInfo":{"name":"codex-mcp-server"');
  const answered = await send(callOf(2, 'echo', { message: 'hi' }));
  expect(await stream.next()).toContain('"structuredContent":{"message":"hi","agent_id":"bob"}');
  expect(server.seen.correlationIds).toEqual([answered.headers.get('x-correlation-id')]);
});

test('a silent stream carries a comment every 15 seconds', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  await using server = await startTestServer();
  const { stream } = await openSession(server);
  vi.advanceTimersByTime(15_000);
  expect(await stream.next()).toMatch(/^: \w+\n\n$/);
});

test.each([
  ['an unknown session', '?sessionId=6a1a1c1e-0000-4000-8000-000000000000', 404, 'session_expired'],
  ['no session', '', 400, 'invalid_input'],
  ['two sessions', '?sessionId=1&sessionId=2', 400, 'invalid_input'],
])('a message for %s is refused', async (_which, query, status, code) => {
  await using server = await startTestServer();
  const response = await post(`${server.url}/messages${query}`, JSON.stringify(INITIALIZE));
  expect(response.status).toBe(status);
  expect((await bodyOf<RpcFailure>(response)).error.data.code).toBe(code);
});

test.each([
  ['no JSON', '{'],
  ['no JSON-RPC', '{"hello":1}'],
  ['a batch', '[null]'],
  ['nothing', ''],
])('a message that is %s is 400', async (_what, body) => {
  await using server = await startTestServer();
  const { endpoint } = await openSession(server);
  const response = await post(endpoint, body);
  expect(response.status).toBe(400);
  expect(await bodyOf<RpcFailure>(response)).toMatchObject({
    jsonrpc: '2.0',
    id: null,
    error: { code: -32602, data: { code: 'invalid_input' } },
  });
});

test('a client that leaves ends its session, and what it asked for goes on', async () => {
  await using server = await startTestServer();
  const { stream, send, endpoint } = await openSession(server);
  await send(INITIALIZE);
  await send(callOf(2, 'slow', { ms: 60_000 }));
  await until(() => server.seen.running === 1);
  await stream.cancel();
  await expect
    .poll(async () => (await post(endpoint, JSON.stringify(INITIALIZE))).status)
    .toBe(404);
  expect(server.seen).toMatchObject({ running: 1, aborted: 0 });
});

test('a client that does not read is dropped, and others are not', async () => {
  await using server = await startTestServer();
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.write('GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const head = await new Promise<string>((resolve) => {
    socket.once('data', (data) => resolve(String(data)));
  });
  socket.pause();
  const path =
    /data: (\S+)/.exec(head)?.[1] ??
    (await new Promise<string>((resolve) => {
      socket.resume().once('data', (data) => {
        socket.pause();
        resolve(/data: (\S+)/.exec(String(data))?.[1] ?? '');
      });
    }));
  await using other = await CLIENTS[0]?.[1](server.url);
  let status = 202;
  for (let id = 1; id <= 30 && status === 202; id += 1) {
    status = (
      await post(server.url + path, JSON.stringify(callOf(id, 'big', { bytes: 2_000_000 })))
    ).status;
    await delay(20);
  }
  expect(status).toBe(404);
  expect(server.logLines.join('')).toContain('slow client dropped');
  expect((await other?.call('echo', { message: 'hi' }))?.isError).toBeFalsy();
  socket.destroy();
});

test('more clients than MAX_MCP_SESSIONS of both kinds are refused until one leaves', async () => {
  await using server = await startTestServer({ MAX_MCP_SESSIONS: '2' });
  const first = await openSession(server);
  await using _second = await CLIENTS[1]?.[1](server.url);
  const refused = await fetch(`${server.url}/sse`);
  expect(refused.status).toBe(503);
  expect(await bodyOf<RpcFailure>(refused)).toMatchObject({
    error: { data: { code: 'too_many_clients', retryable: true } },
  });
  await expect(CLIENTS[1]?.[1](server.url)).rejects.toThrow(/too_many_clients|MAX_MCP_SESSIONS/);
  await first.stream.cancel();
  await until(() => server.logLines.some((line) => line.includes('MCP session closed')));
  await using third = await CLIENTS[0]?.[1](server.url);
  expect(await third?.list()).toHaveLength(4);
});

test('a client that can send no headers names its agent in the URL', async () => {
  await using server = await startTestServer();
  const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
  const client = new Client({ name: 'old', version: '1' });
  await client.connect(new SSEClientTransport(new URL('/sse?agent_id=carol', server.url)));
  const result = await client.callTool({ name: 'echo', arguments: { message: 'hi' } });
  expect(result.structuredContent).toEqual({ message: 'hi', agent_id: 'carol' });
  await client.close();
});

async function openSession(server: TestServer, query = '') {
  const stream = await openStream(server, query);
  const endpoint = server.url + (/data: (.*)/.exec(await stream.next())?.[1] ?? '');
  const send = (message: object) => post(endpoint, JSON.stringify(message));
  return { stream, endpoint, send };
}

/** An event stream read by hand: `next` gives one event or comment as it was sent. */
async function openStream(server: TestServer, query = '') {
  const response = await fetch(`${server.url}/sse${query}`);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  const next = async (): Promise<string> => {
    while (!buffer.includes('\n\n')) {
      const chunk = await reader?.read();
      if (!chunk || chunk.done) throw new Error('The stream ended.');
      buffer += chunk.value;
    }
    const end = buffer.indexOf('\n\n') + 2;
    const event = buffer.slice(0, end);
    buffer = buffer.slice(end);
    return event;
  };
  return { headers: response.headers, next, cancel: async () => reader?.cancel() };
}

function post(url: string, body: string): Promise<Response> {
  return fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
}

function callOf(id: number, name: string, args: object) {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } };
}
