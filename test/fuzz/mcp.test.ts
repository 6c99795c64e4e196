import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LOCAL } from '../../src/identity/principal.ts';
import { type FuzzServer, SECRETS, startFuzzServer } from './fuzz-server.ts';
import { FUZZ_TIMEOUT_MS, fuzz } from './fuzzed.ts';
import { INITIALIZE, modern, modernHeaders, posted } from './mcp-messages.ts';
import { oddText } from './odd-values.ts';

const LIMIT_MS = 10_000;

test(
  'whatever a session of 2025 is sent, it answers, and ends when told to',
  async () => {
    await using server = await startFuzzServer();
    await fuzz(fc.array(posted, { minLength: 1, maxLength: 8 }), async (messages) => {
      const session = await openSession(server);
      for (const message of messages) await post(server, '/mcp', message, session);
      expect((await send(server, 'DELETE', '/mcp', session)).status).toBe(200);
      expect((await post(server, '/mcp', INITIALIZE, session)).status).toBe(404);
      expect((await send(server, 'GET', '/mcp', session)).status).toBe(404);
    });
    await server.assertUnharmed();
  },
  FUZZ_TIMEOUT_MS,
);

test(
  'whatever a stateless request of 2026 holds, it is answered',
  async () => {
    await using server = await startFuzzServer();
    await fuzz(fc.array(posted, { minLength: 1, maxLength: 8 }), async (messages) => {
      for (const message of messages) {
        await post(server, '/mcp', modern(message), modernHeaders(message));
      }
    });
    await server.assertUnharmed();
  },
  FUZZ_TIMEOUT_MS,
);

test(
  'whatever is posted to a session of HTTP+SSE, it lives until its client leaves',
  async () => {
    await using server = await startFuzzServer();
    await fuzz(fc.array(posted, { minLength: 1, maxLength: 8 }), async (messages) => {
      const leaving = new AbortController();
      const { body } = await fetch(`${server.url}/sse`, { signal: leaving.signal });
      const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
      const { value = '' } = (await reader?.read()) ?? {};
      const endpoint = /data: (\S+)/.exec(value)?.[1] ?? '';
      for (const message of messages) await post(server, endpoint, message);
      expect((await post(server, endpoint, INITIALIZE)).status).toBe(202);
      leaving.abort();
      await expect.poll(async () => (await post(server, endpoint, INITIALIZE)).status).toBe(404);
    });
    await server.assertUnharmed();
  },
  FUZZ_TIMEOUT_MS,
);

test(
  'a session that nobody has, or somebody else, is 404 whatever its id',
  async () => {
    const authenticate = async ({ authorization }: { authorization: string | undefined }) =>
      authorization ? { ...LOCAL, id: 'other' } : LOCAL;
    const options = { authenticator: { authenticate, isWithdrawn: () => false } };
    await using server = await startFuzzServer({ MCP_SESSION_IDLE: '3600' }, options);
    const own = await openSession(server);
    const other = { ...own, authorization: 'Bearer other' };
    await fuzz(fc.tuple(oddText, posted), async ([id, message]) => {
      const inHeader = { 'mcp-session-id': id.replaceAll(/[^ -~]/g, '?').trim() || 'x' };
      for (const headers of [inHeader, other]) {
        expect((await post(server, '/mcp', INITIALIZE, headers)).status).toBe(404);
        expect((await post(server, '/mcp', message, headers)).status).toBeGreaterThanOrEqual(400);
        expect((await send(server, 'GET', '/mcp', headers)).status).toBe(404);
        expect((await send(server, 'DELETE', '/mcp', headers)).status).toBe(404);
      }
      const query = encodeURIComponent(id.toWellFormed().slice(0, 500));
      const posting = await post(server, `/messages?sessionId=${query}`, INITIALIZE);
      expect(posting.status).toBe(404);
      expect((await send(server, 'GET', '/mcp')).status).toBe(400);
    });
    expect((await send(server, 'DELETE', '/mcp', own)).status).toBe(200);
    await server.assertUnharmed();
  },
  FUZZ_TIMEOUT_MS,
);

type Headers = Record<string, string>;

async function openSession(server: FuzzServer): Promise<Headers> {
  const { headers } = await post(server, '/mcp', INITIALIZE);
  const session = {
    'mcp-session-id': headers.get('mcp-session-id') ?? '',
    'mcp-protocol-version': '2025-06-18',
  };
  const ready = { jsonrpc: '2.0', method: 'notifications/initialized' };
  expect((await post(server, '/mcp', ready, session)).status).toBe(202);
  return session;
}

function post(server: FuzzServer, path: string, message: unknown, headers: Headers = {}) {
  const body = JSON.stringify(message) ?? '';
  return send(server, 'POST', path, { 'content-type': 'application/json', ...headers }, body);
}

/** Sends a request, reads its whole answer and looks at it. */
async function send(
  server: FuzzServer,
  method: string,
  path: string,
  headers: Headers = {},
  body?: string,
): Promise<Response> {
  const accept = 'application/json, text/event-stream';
  const response = await fetch(server.url + path, {
    method,
    headers: { accept, ...headers },
    ...(body !== undefined && { body }),
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  const text = await response.text();
  const { status } = response;
  server.check([{ status, headers: new Map(response.headers), body: text, isComplete: true }]);
  for (const [, data = ''] of text.matchAll(/^data: (.+)$/gm)) checkMessage(data);
  return response;
}

/** What comes in a stream is JSON-RPC, and no error that we did not mean. */
function checkMessage(data: string): void {
  const { jsonrpc, error } = JSON.parse(data);
  expect(jsonrpc, data).toBe('2.0');
  expect(error?.data?.code, data).not.toBe('internal');
  expect(data).not.toMatch(/TypeError|RangeError|node_modules/);
  for (const secret of Object.values(SECRETS)) expect(data).not.toContain(secret);
}
