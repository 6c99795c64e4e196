import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bodyOf, errorOf, startTestServer, type TestServer } from './test-server.ts';

const SETTINGS = {
  ALLOWED_HOSTS: 'codex.example.com, 192.168.7.7:8210',
  ALLOWED_ORIGINS: 'https://app.example.com,tools.example.com',
  MAX_BODY_BYTES: '10000',
};

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer(SETTINGS);
});

afterAll(() => server.app.close());

test('the root says what this is and where to connect', async () => {
  const body = await bodyOf<{ endpoints: object }>(await fetch(server.url));
  expect(body).toMatchObject({ name: 'codex-mcp-server', version: '1.2.3' });
  expect(Object.keys(body.endpoints)).toEqual([
    '/sse',
    '/mcp',
    '/tools',
    '/api/v1/turns/ID',
    '/api/v1/agents/events',
    '/api/v1/approvals',
    '/ws',
    '/health',
    '/ping',
  ]);
});

test('a ping is answered without looking at anything', async () => {
  expect(await (await fetch(`${server.url}/ping`)).json()).toEqual({ status: 'ok' });
});

test('health is 200 with its report while calls can be served, else 503', async () => {
  const healthy = await fetch(`${server.url}/health`);
  expect(healthy.status).toBe(200);
  expect(await healthy.json()).toEqual(server.health);
  Object.assign(server.health, { ready: false, status: 'unhealthy' });
  const unhealthy = await fetch(`${server.url}/health`);
  Object.assign(server.health, { ready: true, status: 'healthy' });
  expect(unhealthy.status).toBe(503);
  expect(await unhealthy.json()).toMatchObject({ status: 'unhealthy' });
});

test.each([
  ['GET', '/nope'],
  ['GET', '/.well-known/oauth-authorization-server'],
  ['GET', '/.well-known/oauth-protected-resource/mcp'],
  ['POST', '/register'],
  ['POST', '/sse'],
  ['PUT', '/mcp'],
])('%s %s is a plain 404', async (method, path) => {
  const response = await fetch(server.url + path, { method });
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ error: { code: 'not_found', retryable: false } });
});

test('every answer carries the correlation id that is in its error and in the log', async () => {
  const response = await fetch(`${server.url}/tools/failing`, post('{"how":"unknown"}'));
  expect(response.status).toBe(500);
  const error = await errorOf(response);
  expect(error).toEqual({
    code: 'internal',
    message: 'The server failed in an unexpected way.',
    hint: 'See the server log for this correlation id.',
    retryable: true,
    correlation_id: response.headers.get('x-correlation-id'),
  });
  const line = server.logLines.find((entry) => entry.includes('secret detail'));
  expect(JSON.parse(line ?? '{}')).toMatchObject({ correlation_id: error.correlation_id });
});

test.each([
  'localhost',
  'LOCALHOST:9',
  '127.0.0.1:1',
  '[::1]:80',
  'codex.example.com',
  '192.168.7.7',
])('the Host header %s is ours', async (host) => {
  expect(await statusFor({ host })).toBe(200);
});

test.each(['evil.example.com', 'localhost.evil.com', '127.0.0.1.evil.com:8210', 'a b'])(
  'the Host header %s is refused',
  async (host) => {
    const response = await server.app.inject({ url: '/ping', headers: { host } });
    expect(response.statusCode).toBe(403);
    expect(response.json()).toMatchObject({ error: { code: 'host_not_allowed' } });
  },
);

test.each(['http://localhost:6274', 'https://app.example.com', 'http://tools.example.com:81'])(
  'a page of %s may call and read the answer',
  async (origin) => {
    const response = await fetch(`${server.url}/ping`, { headers: { origin } });
    expect(response.status).toBe(200);
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    expect(response.headers.get('access-control-expose-headers')).toContain('Mcp-Session-Id');
    const preflight = await fetch(`${server.url}/mcp`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'mcp-protocol-version',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toBe('mcp-protocol-version');
  },
);

test.each(['https://evil.example.com', 'null', 'nonsense', 'https://localhost.evil.com'])(
  'a page of %s is refused everywhere',
  async (origin) => {
    for (const path of ['/ping', '/sse', '/mcp', '/tools/echo', '/messages']) {
      const response = await fetch(server.url + path, { headers: { origin } });
      expect(response.status).toBe(403);
      expect(response.headers.get('access-control-allow-origin')).toBeNull();
      expect(await response.text()).toContain('origin_not_allowed');
    }
  },
);

test.each(['cross-site', 'same-site'])(
  'what a page embeds from a %s server is refused everywhere',
  async (site) => {
    for (const path of ['/ping', '/sse', '/mcp', '/agents/a/workspace.git/info/refs']) {
      const headers = { 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors' };
      const response = await server.app.inject({
        url: path,
        headers: { host: 'localhost', ...headers },
      });
      expect(response.statusCode).toBe(403);
      expect(response.body).toContain('origin_not_allowed');
    }
  },
);

test.each([
  { 'sec-fetch-site': 'none' },
  { 'sec-fetch-site': 'same-origin' },
  { 'sec-fetch-site': 'cross-site', origin: 'https://app.example.com' },
  { 'sec-fetch-site': 'same-site', origin: 'http://localhost:6274' },
])('a person, our own page and an allowed one are let in: %o', async (headers) => {
  const hosted = { host: 'localhost:8210', ...headers };
  expect((await server.app.inject({ url: '/ping', headers: hosted })).statusCode).toBe(200);
});

test('pages of other ports of this machine can be shut out, and our own stays', async () => {
  await using shut = await startTestServer({ ALLOWED_ORIGINS: '-loopback,app.example.com' });
  const statusOf = async (origin: string) => {
    const headers = { host: 'localhost:8210', origin };
    return (await shut.app.inject({ url: '/ping', headers })).statusCode;
  };
  expect(await statusOf('http://localhost:6274')).toBe(403);
  expect(await statusOf('http://127.0.0.1:8210')).toBe(403);
  expect(await statusOf('http://localhost:8210')).toBe(200);
  expect(await statusOf('https://app.example.com')).toBe(200);
});

const deep = `${'['.repeat(4000)}${']'.repeat(4000)}`;

test.each([
  ['invalid_input', 400, 'malformed JSON', '{"a":', 'application/json'],
  ['invalid_input', 400, 'very deep JSON', deep, 'application/json'],
  ['invalid_input', 400, 'very deep arguments', `{"a":${deep}}`, 'application/json'],
  ['invalid_input', 400, 'a poisoned prototype', '{"__proto__":{"a":1}}', 'application/json'],
  ['invalid_input', 400, 'another content type', 'a: 1', 'application/yaml'],
  ['invalid_input', 400, 'plain text', 'hello', 'text/plain'],
  ['body_too_large', 413, 'a large body', `"${'x'.repeat(11_000)}"`, 'application/json'],
  ['invalid_input', 400, 'a batch of nothing', '[null]', 'application/json'],
  ['invalid_input', 400, 'a bare number', '7', 'application/json'],
])('%s (%i) answers %s on every endpoint', async (code, status, _what, body, type) => {
  for (const path of ['/tools/echo', '/messages?sessionId=1', '/mcp']) {
    const response = await fetch(server.url + path, post(body, type));
    const answer = await response.text();
    expect(response.status, `${path}: ${answer}`).toBeGreaterThanOrEqual(400);
    expect(response.status, `${path}: ${answer}`).toBeLessThan(500);
    if (path !== '/tools/echo') continue;
    expect(response.status, answer).toBe(status);
    expect(JSON.parse(answer)).toMatchObject({ error: { code } });
  }
});

const ODD_BODIES = [
  null,
  'text',
  {},
  [],
  [[]],
  [null, 1],
  { jsonrpc: '2.0' },
  { jsonrpc: '2.0', id: {}, method: 1 },
  { jsonrpc: '2.0', id: 1, method: 'initialize', params: [] },
  { jsonrpc: '2.0', id: 1, method: 'tools/call', params: null },
  { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 7 } },
  { jsonrpc: '2.0', id: null, method: 'tools/list', params: { _meta: 'x' } },
  { jsonrpc: '2.0', id: 1, result: {} },
  Array.from({ length: 200 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'ping' })),
];

test.each([{}, { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call' }])(
  'odd JSON is never a 5xx (headers %o)',
  async (headers) => {
    for (const path of ['/tools/echo', '/messages?sessionId=1', '/mcp']) {
      for (const body of ODD_BODIES) {
        const init = post(JSON.stringify(body));
        const accept = { accept: 'application/json, text/event-stream' };
        const response = await fetch(server.url + path, {
          ...init,
          headers: { 'content-type': 'application/json', ...accept, ...headers },
        });
        expect(response.status, `${path} ${JSON.stringify(body)}`).toBeLessThan(500);
        await response.text();
      }
    }
  },
);

test('HEAD opens no stream', async () => {
  for (const path of ['/sse', '/mcp', '/api/v1/agents/events', '/api/v1/turns/t/events']) {
    expect((await fetch(server.url + path, { method: 'HEAD' })).status, path).toBe(404);
  }
  expect((await fetch(`${server.url}/health`, { method: 'HEAD' })).status).toBe(200);
});

test('a path that is no valid URL is a clear 400', async () => {
  const response = await fetch(`${server.url}/%zz`);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { code: 'invalid_input' } });
});

test('no time-out of the HTTP server cuts a call that takes long', () => {
  const http = server.app.server;
  expect(http.timeout).toBe(0);
  // These two bound how long a request may take to arrive, not its answer.
  expect(http.requestTimeout).toBe(60_000);
  expect(http.headersTimeout).toBe(60_000);
  expect(http.keepAliveTimeout).toBe(75_000);
});

test('a client that closes the socket early harms nobody', async () => {
  const port = Number(new URL(server.url).port);
  for (const start of [
    'GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n',
    'POST /mcp HTTP/1.1\r\nHo',
  ]) {
    const socket = connect(port, '127.0.0.1');
    socket.write(start);
    await delay(20);
    socket.destroy();
  }
  expect((await fetch(`${server.url}/ping`)).status).toBe(200);
});

test('a request makes one line of log, without the query', async () => {
  await fetch(`${server.url}/tools?agent_id=private`);
  await delay(20);
  const lines = server.logLines.filter((line) => line.includes('"path":"/tools"'));
  expect(lines).toHaveLength(1);
  expect(lines[0]).not.toContain('private');
});

function post(body: string, type = 'application/json'): RequestInit {
  const accept = 'application/json, text/html';
  return { method: 'POST', body, headers: { 'content-type': type, accept } };
}

/** `fetch` does not let us choose the Host header. */
function statusFor(headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(`${server.url}/ping`, { headers }, (response) => {
      text(response).then(() => resolve(response.statusCode), reject);
    });
    sent.on('error', reject).end();
  });
}
