import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { noApproval, type Verdict } from '../../../src/approvals/approvals.ts';
import type { ApprovalNotice, ApprovalView } from '../../../src/callers/caller-approvals.ts';
import { RateLimits } from '../../../src/callers/rate-limits.ts';
import { AppError } from '../../../src/errors.ts';
import { LOCAL, type Principal } from '../../../src/identity/principal.ts';
import type { ApprovalDesk } from '../../../src/transports/rest/approval-routes.ts';
import { startTestServer, type TestServer } from '../http/test-server.ts';

const APPROVAL: ApprovalView = {
  ...{ approvalId: '1', agentName: 'a', turnId: 't', requestKey: 'turn', kind: 'turn' },
  ...{ operation: 'codex: x', arguments: {}, risk: 'high', requestedBy: 'ann' },
  ...{ tenant: 'default', neededApprovers: 1, decisions: [], state: 'pending' },
  ...{ createdAt: new Date(0), expiresAt: new Date(1) },
};

test('a socket tells what is pending and what comes, and takes decisions', async () => {
  const { desk, emit, verdicts } = deskOf([APPROVAL]);
  await using server = await startTestServer({}, [], { approvals: () => desk });
  const client = await open(server);
  const shown = { approval_id: '1', agent_id: 'a', state: 'pending', operation: 'codex: x' };
  expect(await client.next()).toMatchObject({ type: 'approval_requested', approval: shown });
  emit({ type: 'approval_decided', approval: { ...APPROVAL, state: 'expired' } });
  expect(await client.next()).toMatchObject({
    type: 'approval_decided',
    approval: { state: 'expired' },
  });
  client.send({ type: 'decide', approval_id: '1', approve: true, reason: 'fine' });
  expect(await client.next()).toMatchObject({
    type: 'decided',
    approval_id: '1',
    approval: { state: 'approved' },
  });
  expect(verdicts).toEqual([{ approve: true, reason: 'fine' }]);
  client.send({ type: 'decide', approval_id: '2', approve: true });
  expect(await client.next()).toMatchObject({
    type: 'error',
    approval_id: '2',
    error: { code: 'approval_not_found' },
  });
  client.send({ type: 'ping' });
  expect(await client.next()).toEqual({ type: 'pong' });
});

test.each([
  'no json',
  '{"type":"other"}',
  '{"type":"decide","approval_id":"1"}',
  '{"type":"decide","approval_id":"1","approve":true,"more":1}',
])('what is no message is told so: %s', async (text) => {
  const { desk, verdicts } = deskOf();
  await using server = await startTestServer({}, [], { approvals: () => desk });
  const client = await open(server);
  client.socket.send(text);
  expect(await client.next()).toMatchObject({ type: 'error', error: { code: 'invalid_input' } });
  expect(verdicts).toEqual([]);
});

describe('who may open one', () => {
  const KEY = 'the-token.of_ann';
  const ANN: Principal = { ...LOCAL, id: 'ann' };
  const valid = new Set([`Bearer ${KEY}`]);
  const authenticator = {
    isWithdrawn: () => false,
    async authenticate({ authorization }: { authorization: string | undefined }) {
      if (authorization !== undefined && valid.has(authorization)) return ANN;
      throw new AppError('unauthorized', 'Who are you?');
    },
  };

  test.each([
    ['no token', {}, [], 401],
    ['a wrong token', { headers: { authorization: 'Bearer x' } }, [], 401],
    ['a wrong sub-protocol', {}, ['bearer', 'x'], 401],
    ['an origin that nobody allowed', { origin: 'https://evil.example' }, ['bearer', KEY], 403],
    ['a host that is not ours', { headers: { host: 'evil.example' } }, ['bearer', KEY], 403],
  ])('nobody with %s', async (_what, options, protocols, status) => {
    await using server = await startTestServer({}, [], { authenticator });
    expect(await refusal(new WebSocket(urlOf(server), protocols, options))).toBe(status);
  });

  test('not at another path, not with the token in the URL, and not by a plain request', async () => {
    await using server = await startTestServer({}, [], { authenticator });
    const elsewhere = new WebSocket(`${urlOf(server)}x`, ['bearer', KEY]);
    expect(await refusal(elsewhere)).toBe(404);
    expect(await refusal(new WebSocket(`${urlOf(server)}?token=${KEY}`))).toBe(401);
    const headers = { authorization: `Bearer ${KEY}` };
    expect((await fetch(`${server.url}/ws`, { headers })).status).toBe(404);
  });

  test('a browser shows its token as a sub-protocol, which is not sent back', async () => {
    const asked: Principal[] = [];
    const approvals = (principal: Principal) => {
      asked.push(principal);
      return deskOf().desk;
    };
    await using server = await startTestServer({}, [], { authenticator, approvals });
    const socket = new WebSocket(urlOf(server), ['bearer', KEY], { origin: 'http://localhost' });
    await once(socket, 'open');
    expect([socket.protocol, asked]).toEqual(['bearer', [ANN]]);
    expect(server.logLines.join()).not.toContain(KEY);
  });

  test('whose token is revoked is let go, and decides nothing more', async () => {
    const { desk, verdicts } = deskOf([APPROVAL]);
    await using server = await startTestServer({}, [], {
      ...{ authenticator, approvals: () => desk, socketHeartbeatMs: 100 },
    });
    const [idle, busy] = [await open(server, KEY), await open(server, KEY)];
    valid.clear();
    busy.send({ type: 'decide', approval_id: '1', approve: true });
    expect(await busy.closed).toBe(4401);
    expect(await idle.closed).toBe(4401);
    expect(verdicts).toEqual([]);
    valid.add(`Bearer ${KEY}`);
  });
});

describe('bounds', () => {
  test('as many as other readers, and who leaves makes room', async () => {
    await using server = await startTestServer({ MAX_EVENT_READERS: '1' });
    const first = await open(server);
    expect(await refusal(new WebSocket(urlOf(server)))).toBe(503);
    first.socket.close();
    await expect
      .poll(async () => {
        const socket = new WebSocket(urlOf(server));
        return await Promise.race([once(socket, 'open').then(() => 101), refusal(socket)]);
      })
      .toBe(101);
  });

  test('opening one counts as a request, and is refused beyond the limit of those', async () => {
    const rates = new RateLimits({ RATE_LIMIT_RPM: 0, REQUEST_LIMIT_RPM: 1 });
    await using server = await startTestServer({}, [], { rates });
    await open(server);
    const socket = new WebSocket(urlOf(server));
    const [, response] = await once(socket, 'unexpected-response');
    expect([response.statusCode, response.headers['ratelimit-remaining']]).toEqual([429, '0']);
    expect(Number(response.headers['retry-after'])).toBeGreaterThan(0);
  });

  test('the connection of one that is refused is closed', async () => {
    await using server = await startTestServer();
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
    socket.write(`GET /ws HTTP/1.1\r\nHost: evil.example\r\n${upgrade}\r\n`);
    expect(await text(socket)).toContain('403 Forbidden');
  });

  test('a message that is too large ends it', async () => {
    await using server = await startTestServer();
    const client = await open(server);
    client.socket.send('x'.repeat(100_000));
    expect(await client.closed).toBe(1009);
  });

  test('a client that sends faster than is worked on is let go', async () => {
    let calls = 0;
    const authenticate = async () => {
      calls += 1;
      if (calls > 1) await new Promise((resolve) => setTimeout(resolve, 50));
      return LOCAL;
    };
    await using server = await startTestServer({}, [], {
      authenticator: { authenticate, isWithdrawn: () => false },
    });
    const client = await open(server);
    for (let count = 0; count < 100; count += 1) {
      client.send({ type: 'decide', approval_id: '1', approve: true });
    }
    expect(await client.closed).toBe(1008);
    expect(calls).toBeLessThan(40);
  });

  test('one that answers no ping is let go', async () => {
    await using server = await startTestServer({}, [], { socketHeartbeatMs: 100 });
    const client = await open(server);
    client.socket.pause();
    await expect
      .poll(async () => {
        const { promise, resolve } = Promise.withResolvers<number>();
        server.app.server.getConnections((_error, count) => resolve(count));
        return promise;
      })
      .toBe(0);
  });

  test('a slow reader is dropped', async () => {
    const { desk, emit } = deskOf();
    await using server = await startTestServer({}, [], { approvals: () => desk });
    const client = await open(server);
    client.socket.pause();
    const big = { ...APPROVAL, arguments: { prompt: 'x'.repeat(16_000) } };
    await expect
      .poll(() => {
        for (let count = 0; count < 100; count += 1) {
          emit({ type: 'approval_requested', approval: big });
        }
        return server.logLines.join();
      })
      .toContain('slow WebSocket dropped');
  });
});

test('the end of the server ends its sockets', async () => {
  const server = await startTestServer();
  const client = await open(server);
  await server.app.close();
  expect([1001, 1006]).toContain(await client.closed);
});

test('a request that offers another protocol is answered as if it had not', async () => {
  await using server = await startTestServer();
  const offer = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'x' };
  const headers = { ...offer, 'content-type': 'application/json' };
  const request = http.request(`${server.url}/tools/echo`, { method: 'POST', headers });
  request.end(JSON.stringify({ message: 'hello' }));
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  expect(response.statusCode).toBe(200);
  response.resume();
});

test('an upgrade that is garbage ends with an answer, and the server goes on', async () => {
  await using server = await startTestServer();
  const { hostname, port, host } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  );
  const [answer] = await once(socket, 'data');
  expect(String(answer)).toContain('400 Bad Request');
  expect((await fetch(`${server.url}/ping`)).status).toBe(200);
});

function urlOf({ url }: TestServer): string {
  return `${url.replace(/^http/, 'ws')}/ws`;
}

async function open(server: TestServer, token?: string) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const socket = new WebSocket(urlOf(server), { headers });
  const messages: string[] = [];
  socket.on('message', (data) => messages.push(String(data)));
  socket.on('error', () => undefined);
  const closed = once(socket, 'close').then(([code]) => Number(code));
  await once(socket, 'open');
  return {
    socket,
    closed,
    send: (message: object) => socket.send(JSON.stringify(message)),
    async next() {
      await expect.poll(() => messages.length).toBeGreaterThan(0);
      return JSON.parse(messages.shift() ?? '');
    },
  };
}

/** The status with which a socket is refused. */
async function refusal(socket: WebSocket): Promise<number | undefined> {
  socket.on('error', () => undefined);
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  socket.on('unexpected-response', (request, response) => {
    resolve(response.statusCode);
    request.destroy();
  });
  return promise;
}

function deskOf(pending: ApprovalView[] = []) {
  const verdicts: Verdict[] = [];
  const listeners = new Set<(event: ApprovalNotice) => void>();
  const get = (id: string) => {
    const found = pending.find(({ approvalId }) => approvalId === id);
    if (found) return found;
    throw noApproval(id);
  };
  const desk: ApprovalDesk = {
    get,
    list: () => pending,
    mayDecide: () => true,
    decide(id, verdict) {
      const approval = get(id);
      verdicts.push(verdict);
      return { ...approval, state: 'approved' };
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const emit = (event: ApprovalNotice) => {
    for (const listener of listeners) listener(event);
  };
  return { desk, emit, verdicts };
}
