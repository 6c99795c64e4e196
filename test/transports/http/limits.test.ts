import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { z } from 'zod';
import type { TurnView } from '../../../src/callers/caller-turns.ts';
import { AppError, ERRORS, type ErrorCode } from '../../../src/errors.ts';
import type { HttpServerOptions } from '../../../src/transports/http-server.ts';
import { CLIENTS, textOf } from '../mcp/clients.ts';
import { errorOf, noTurns, startTestServer, type TestServer, tool, until } from './test-server.ts';

const NOTHING = z.strictObject({});
const EVENTS = '/api/v1/turns/t/events';

const failing = (code: ErrorCode) =>
  tool('refused', NOTHING, NOTHING, async () => {
    throw new AppError(code, 'Not now.');
  });

test.each<ErrorCode>([
  'queue_full',
  'server_queue_full',
  'too_many_sessions',
  'too_many_calls',
  'shutting_down',
  'model_rate_limited',
  'engine_unreachable',
])('%s says when to come back, over HTTP and over MCP', async (code) => {
  await using server = await startTestServer({}, [failing(code)]);
  const response = await callOf(server, 'refused');
  const seconds = ERRORS[code].retryAfter ?? 0;
  expect(response.status).toBe(ERRORS[code].status);
  expect(response.headers.get('retry-after')).toBe(String(seconds));
  expect(await errorOf(response)).toMatchObject({ code, retry_after_seconds: seconds });
  for (const [, connectTo] of CLIENTS.slice(0, 2)) {
    await using client = await connectTo(server.url);
    const said = textOf(await client.call('refused', {}));
    expect(said.split('\n', 1)[0]).toContain(`${code}: Not now.`);
    expect(said.split('\n', 1)[0]).toContain(`Try again in ${seconds} s.`);
    expect(said).toContain(`"retry_after_seconds": ${seconds}`);
  }
});

test('more calls than MAX_CONCURRENT_CALLS are refused, but for those that make room', async () => {
  const help = { ...tool('help', NOTHING, NOTHING, async () => ({})), servedWhenFull: true };
  await using server = await startTestServer({ MAX_CONCURRENT_CALLS: '2' }, [help]);
  const leaving = new AbortController();
  const { signal } = leaving;
  const open = [1, 2].map(() => callOf(server, 'slow', { ms: 60_000 }, { signal }).catch(() => {}));
  await until(() => server.seen.running === 2);
  const refused = await callOf(server, 'echo', { message: 'hi' });
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('5');
  expect(await errorOf(refused)).toMatchObject({ code: 'too_many_calls', limit: 2 });
  await using client = await CLIENTS[0]?.[1](server.url);
  const result = await client?.call('echo', { message: 'hi' });
  expect(result?.isError).toBe(true);
  expect(textOf(result ?? { content: [] })).toMatch(/^too_many_calls: .* Try again in 5 s\./);
  expect((await callOf(server, 'help')).status).toBe(200);
  leaving.abort();
  await Promise.all(open);
  await until(() => server.seen.running === 0);
  expect((await callOf(server, 'echo', { message: 'hi' })).status).toBe(200);
});

test('an MCP session too many is refused with a Retry-After', async () => {
  await using server = await startTestServer({ MAX_MCP_SESSIONS: '1' });
  await using _first = await CLIENTS[0]?.[1](server.url);
  const refused = await fetch(`${server.url}/sse`);
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('10');
  expect(await refused.json()).toMatchObject({
    error: { data: { code: 'too_many_clients', retry_after_seconds: 10, limit: 1 } },
  });
});

test('more readers of events than MAX_EVENT_READERS are refused until one leaves', async () => {
  const turns = endlessTurn('small');
  await using server = await startTestServer({ MAX_EVENT_READERS: '1' }, [], { turns });
  const leaving = new AbortController();
  const first = await fetch(server.url + EVENTS, { signal: leaving.signal });
  expect(first.status).toBe(200);
  const refused = await fetch(server.url + EVENTS);
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('10');
  expect(await errorOf(refused)).toMatchObject({ code: 'too_many_readers', limit: 1 });
  leaving.abort();
  await expect.poll(() => statusOfReader(server)).toBe(200);
});

test('a reader of events that takes nothing is dropped after a while', async () => {
  const turns = endlessTurn('x'.repeat(100_000));
  const options = { turns, readerPatienceMs: 300 };
  await using server = await startTestServer({ MAX_EVENT_READERS: '1' }, [], options);
  const stuck = await openStuckReader(server);
  expect(await statusOfReader(server)).toBe(503);
  await until(() => server.logLines.join('').includes('slow reader of events dropped'));
  expect(await statusOfReader(server)).toBe(200);
  stuck.destroy();
});

test('a reader of events that leaves with much unread frees its place at once', async () => {
  const turns = endlessTurn('x'.repeat(100_000));
  await using server = await startTestServer({ MAX_EVENT_READERS: '1' }, [], { turns });
  const stuck = await openStuckReader(server);
  stuck.destroy();
  await expect.poll(() => statusOfReader(server)).toBe(200);
});

test('connections beyond MAX_CONNECTIONS are closed, and those that are open work on', async () => {
  await using server = await startTestServer({ MAX_CONNECTIONS: '2' });
  const sockets = [await open(server), await open(server)];
  const [third, fourth] = [await open(server), await open(server)];
  expect(await text(third).catch(() => '')).toBe('');
  expect(await text(fourth).catch(() => '')).toBe('');
  expect(server.logLines.filter((line) => line.includes('MAX_CONNECTIONS'))).toHaveLength(1);
  sockets[0]?.write('GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  expect(await text(sockets[0] ?? third)).toContain('{"status":"ok"}');
  const fifth = await open(server);
  fifth.write('GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  expect(await text(fifth)).toContain('200 OK');
  sockets[1]?.destroy();
});

test('a request that takes too long to arrive is answered 408', async () => {
  await using server = await startTestServer({}, [], { receiveTimeoutMs: 200 });
  const [head, body] = [await open(server), await open(server)];
  head.write('POST /tools/echo HTTP/1.1\r\nHost: local');
  const json = 'Content-Type: application/json\r\nContent-Length: 9';
  body.write(`POST /tools/echo HTTP/1.1\r\nHost: localhost\r\n${json}\r\n\r\n{"`);
  expect(await text(head)).toMatch(/^HTTP\/1.1 408 /);
  expect(await text(body)).toMatch(/^HTTP\/1.1 408 /);
});

function callOf(
  { url }: TestServer,
  name: string,
  args: object = {},
  init: RequestInit = {},
): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return fetch(`${url}/tools/${name}`, {
    ...init,
    method: 'POST',
    body: JSON.stringify(args),
    headers,
  });
}

async function open({ url }: TestServer): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Asks for events and reads none of them. */
async function openStuckReader(server: TestServer): Promise<Socket> {
  const socket = await open(server);
  socket.pause();
  socket.write(`GET ${EVENTS} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await expect.poll(() => statusOfReader(server)).toBe(503);
  return socket;
}

async function statusOfReader({ url }: TestServer): Promise<number> {
  const leaving = new AbortController();
  const { status } = await fetch(url + EVENTS, { signal: leaving.signal });
  leaving.abort();
  return status;
}

/** A turn that says the same without end, as fast as it is read. */
function endlessTurn(message: string): HttpServerOptions['turns'] {
  const turn = {
    turnId: 't',
    agentName: 'a',
    tool: 'plan',
    state: 'running',
    createdAt: new Date(),
  };
  return () => ({
    ...noTurns,
    get: () => turn as TurnView,
    async *follow(_turnId, { signal }) {
      for (let seq = 1; !signal.aborted; seq += 1) {
        yield { seq, at: new Date(), event: { type: 'warning', message } };
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
  });
}
