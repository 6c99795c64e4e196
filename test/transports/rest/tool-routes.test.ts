import { afterAll, beforeAll, expect, test } from 'vitest';
import { bodyOf, errorOf, startTestServer, type TestServer, until } from '../http/test-server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server.app.close());

test('the tools are listed with their schemas', async () => {
  const { tools } = await bodyOf<{ tools: unknown[] }>(await fetch(`${server.url}/tools`));
  expect(tools).toHaveLength(4);
  expect(tools[0]).toMatchObject({ name: 'echo', inputSchema: { type: 'object' } });
});

test('a call answers with the bare result', async () => {
  const response = await call('echo', { message: 'hi', agent_id: 'bob' });
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ message: 'hi', agent_id: 'bob' });
});

test('a body sent by curl -d without a content type is taken as JSON', async () => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const response = await call('echo', { message: 'hi' }, { headers });
  expect(await response.json()).toMatchObject({ message: 'hi' });
});

test.each([
  ['X-Agent-Id', { headers: { 'x-agent-id': 'from-header' } }, '', 'from-header'],
  ['?agent_id=', {}, '?agent_id=from-query', 'from-query'],
  ['X-Agent-Id before ?agent_id=', { headers: { 'x-agent-id': 'h' } }, '?agent_id=q', 'h'],
])('the agent is taken from %s', async (_how, init, query, agent_id) => {
  const response = await call(`echo${query}`, { message: 'hi' }, init);
  expect(await response.json()).toMatchObject({ agent_id });
});

test('without an agent id each call has a new agent', async () => {
  const first = await bodyOf(await call('echo', { message: 'hi' }));
  const second = await bodyOf(await call('echo', { message: 'hi' }));
  expect(first.agent_id).toMatch(/^session-[0-9a-f]{8}$/);
  expect(second.agent_id).not.toBe(first.agent_id);
});

test.each(['a b', '-a', 'x'.repeat(65), '../up', ''])(
  'the agent id "%s" is refused',
  async (id) => {
    const response = await call(`echo?agent_id=${encodeURIComponent(id)}`, { message: 'hi' });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'invalid_input' } });
  },
);

test('an empty body is an empty object', async () => {
  const response = await fetch(`${server.url}/tools/echo`, { method: 'POST' });
  expect(response.status).toBe(400);
  const error = await errorOf(response);
  expect(error).toMatchObject({ code: 'invalid_input', issues: [{ field: 'message' }] });
});

test('an unknown tool is 404 and names those that exist', async () => {
  const response = await call('nope', {});
  expect(response.status).toBe(404);
  const error = await errorOf(response);
  expect(error).toMatchObject({ code: 'unknown_tool', tools: ['echo', 'slow', 'failing', 'big'] });
});

test('a failure has the status of its code and says when to come back', async () => {
  const response = await call('failing', { how: 'known' });
  expect(response.status).toBe(429);
  expect(response.headers.get('retry-after')).toBe('7');
  expect(await response.json()).toMatchObject({ error: { code: 'model_rate_limited' } });
});

test('an event stream carries progress and then the result', async () => {
  const response = await stream('slow', { ms: 60 });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const events = eventsOf(await response.text());
  expect(events.map(({ event }) => event)).toEqual(['progress', 'progress', 'progress', 'result']);
  expect(events[1]?.data).toEqual({ message: 'step 2', elapsed_seconds: expect.any(Number) });
  expect(events[3]?.data).toEqual({ done: true });
});

test('an event stream ends with the error of a failed call', async () => {
  const response = await stream('failing', { how: 'known' });
  const id = response.headers.get('x-correlation-id');
  expect(eventsOf(await response.text())).toMatchObject([
    { event: 'error', data: { error: { code: 'model_rate_limited', correlation_id: id } } },
  ]);
});

test('a streamed call that can not begin is a plain failure', async () => {
  const headers = { accept: 'text/event-stream', 'x-agent-id': 'a b' };
  const response = await call('echo', { message: 'hi' }, { headers });
  expect(response.status).toBe(400);
  expect((await errorOf(response)).code).toBe('invalid_input');
});

test.each([
  ['plain', 'application/json'],
  ['streamed', 'text/event-stream'],
])('a client that leaves cancels its %s call', async (_kind, accept) => {
  const aborted = server.seen.aborted;
  const controller = new AbortController();
  const { signal } = controller;
  const left = call('slow', { ms: 60_000 }, { signal, headers: { accept } })
    .then((response) => response.text())
    .catch((error: Error) => error.name);
  await until(() => server.seen.running === 1);
  controller.abort();
  expect(await left).toBe('AbortError');
  await until(() => server.seen.running === 0);
  expect(server.seen.aborted).toBe(aborted + 1);
});

function call(path: string, args: object, init: RequestInit = {}): Promise<Response> {
  return fetch(`${server.url}/tools/${path}`, {
    ...init,
    method: 'POST',
    body: JSON.stringify(args),
    headers: {
      'content-type': 'application/json',
      ...Object.fromEntries(new Headers(init.headers)),
    },
  });
}

function stream(tool: string, args: object): Promise<Response> {
  return call(tool, args, { headers: { accept: 'text/event-stream' } });
}

function eventsOf(body: string) {
  return body
    .trim()
    .split('\n\n')
    .map((block) => ({
      event: /^event: (.*)$/m.exec(block)?.[1],
      data: JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? 'null'),
    }));
}
