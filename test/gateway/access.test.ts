import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { BodyBudget } from '../../src/gateway/request-body.ts';
import { silence } from '../fakes/stand-in-model/step.ts';
import { ask, REAL_KEY, sha256, startRig, TOKEN, until } from './rig.ts';

describe('who may ask', () => {
  test('the real key takes the place of the token, and only known headers go on', async () => {
    await using rig = await startRig();
    const headers = { 'session-id': 's-1', cookie: 'a=b', 'x-codex-window-id': 'w', via: 'x' };
    expect((await ask(rig.port, { headers })).status).toBe(200);
    const sent = rig.model.requests[0]?.headers;
    expect(sent?.authorization).toBe(`Bearer ${REAL_KEY}`);
    expect(sent).toMatchObject({ 'session-id': 's-1', 'x-codex-window-id': 'w' });
    expect(sent).not.toHaveProperty('cookie');
    expect(sent).not.toHaveProperty('via');
    expect(JSON.stringify(sent)).not.toContain(TOKEN);
    expect(rig.logged()).not.toContain(REAL_KEY);
  });

  test.each(['', 'wrong', 'token-of-another-agent'])('the token "%s" is refused', async (token) => {
    await using rig = await startRig();
    rig.gateway.register('agent-2', 'ab'.repeat(32));
    const { status, body } = await ask(rig.port, { token });
    expect(status).toBe(401);
    expect(JSON.parse(body).error).toMatchObject({ code: 'invalid_api_key' });
    expect(rig.model.requests).toHaveLength(0);
  });

  test('a token is worth nothing in the tunnel of another agent', async () => {
    await using rig = await startRig();
    rig.gateway.revoke('agent-1');
    rig.gateway.register('agent-2', sha256(TOKEN));
    expect((await ask(rig.port)).status).toBe(401);
  });

  test('a revoked agent is cut off', async () => {
    await using rig = await startRig({ script: () => silence() });
    const waiting = ask(rig.port);
    await until(() => rig.model.requests.length === 1);
    rig.gateway.revoke('agent-1');
    await expect(waiting).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect((await ask(rig.port)).status).toBe(401);
  });

  test('missing credentials are said in a 400, which Codex does not repeat', async () => {
    const authorize = async () => {
      throw new AppError('credentials_missing', 'No key is set.');
    };
    await using rig = await startRig({ upstream: { authorize } });
    const { status, body } = await ask(rig.port);
    expect(status).toBe(400);
    expect(JSON.parse(body).error).toMatchObject({ message: 'No key is set.' });
    expect(rig.gateway.lastFailure('agent-1')).toMatchObject({ code: 'credentials_missing' });
  });
});

describe('what may be asked', () => {
  test.each([
    ['POST', '/v1/responses'],
    ['POST', '/v1/responses/compact'],
    ['GET', '/v1/models?client_version=0.169.0'],
  ])('%s %s goes on', async (method, path) => {
    await using rig = await startRig();
    expect((await ask(rig.port, { method, path })).status).toBe(200);
    expect(rig.model.requests[0]).toMatchObject({ method, path });
  });

  test.each([
    ['GET', '/v1/files'],
    ['GET', '/v1/responses'],
    ['POST', '/v1/responses/../files'],
    ['POST', '/v1/chat/completions'],
    ['DELETE', '/v1/models'],
  ])('%s %s is refused', async (method, path) => {
    await using rig = await startRig();
    expect((await ask(rig.port, { method, path })).status).toBe(403);
    expect(rig.model.requests).toHaveLength(0);
  });

  test('a proxy request is denied, whatever the way it asks', async () => {
    await using rig = await startRig();
    const plain = await ask(rig.port, { method: 'GET', path: 'http://example.com/x' });
    expect(plain).toMatchObject({ status: 403 });
    expect(plain.body).toMatch(/^network access is denied by the gateway: example\.com:80 /);
    const tunnelled = await connectThrough(rig.port, 'packages.example.org:443');
    expect(tunnelled).toMatch(/^HTTP\/1.1 403 /);
    expect(tunnelled).toContain(
      'network access is denied by the gateway: packages.example.org:443',
    );
    expect(rig.out.denied).toEqual([
      expect.objectContaining({ agentId: 'agent-1', method: 'GET', host: 'example.com' }),
      expect.objectContaining({ method: 'CONNECT', host: 'packages.example.org', port: 443 }),
    ]);
  });

  test('WebSocket is declined with 426', async () => {
    await using rig = await startRig();
    const headers = { connection: 'upgrade', upgrade: 'websocket' };
    expect((await ask(rig.port, { method: 'GET', headers })).status).toBe(426);
  });

  test('a body over the bound is answered 413', async () => {
    await using rig = await startRig();
    const body = Buffer.alloc(64 * 1024 * 1024 + 1);
    const refused = await ask(rig.port, { body }).catch((error) => error);
    // The client may still be writing when the answer comes and the connection closes.
    expect(refused.status ?? refused.code).toBeOneOf([413, 'EPIPE', 'ECONNRESET']);
    expect(rig.model.requests).toHaveLength(0);
    expect((await ask(rig.port)).status).toBe(200);
  });
});

test('what an agent asks of the model at the same time has 128 MiB together', () => {
  const budget = new BodyBudget();
  const half = 64 * 1024 * 1024;
  expect([budget.take(half), budget.take(half), budget.take(1)]).toEqual([true, true, false]);
  budget.giveBack(half);
  expect(budget.take(1)).toBe(true);
});

async function connectThrough(port: number, target: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  socket.write(`CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\n\r\n`);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}
