import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import type { Principal } from '../../../src/identity/principal.ts';
import { readEvents } from '../rest/event-reader.ts';
import { startTestServer } from './test-server.ts';

const ANN: Principal = { id: 'ann', tenant: 'default', roles: ['developer'] };
const TOKEN = 'cmcp_the-token-of-ann';

let withdrawn = false;
const authenticator = {
  isWithdrawn: () => withdrawn,
  async authenticate({ authorization }: { authorization: string | undefined }) {
    if (authorization === `Bearer ${TOKEN}`) return ANN;
    throw new AppError('unauthorized', 'Who are you?');
  },
};

test('OAuth clients are told where to log in', async () => {
  const settings = { OIDC_ISSUER: 'https://login.example', OIDC_AUDIENCE: 'codex-mcp' };
  await using server = await startTestServer(settings, [], { authenticator });
  for (const path of ['/mcp', '/sse']) {
    const refused = await fetch(`${server.url}${path}`);
    expect(refused.status).toBe(401);
    const metadata = `${server.url}/.well-known/oauth-protected-resource${path}`;
    expect(refused.headers.get('www-authenticate')).toBe(
      `Bearer realm="codex-mcp-server", resource_metadata="${metadata}"`,
    );
    expect(await (await fetch(metadata)).json()).toEqual({
      resource: `${server.url}${path}`,
      authorization_servers: ['https://login.example'],
      bearer_methods_supported: ['header'],
      resource_name: 'codex-mcp-server',
    });
  }
  const wrong = await fetch(`${server.url}/tools`, { headers: { authorization: 'Bearer x' } });
  expect(wrong.headers.get('www-authenticate')).toContain('error="invalid_token"');
});

test('behind a proxy they are told the public address', async () => {
  const settings = {
    OIDC_ISSUER: 'https://login.example',
    OIDC_AUDIENCE: 'codex-mcp',
    PUBLIC_URL: 'https://codex.example/',
  };
  await using server = await startTestServer(settings, [], { authenticator });
  const refused = await fetch(`${server.url}/mcp`, { method: 'POST' });
  expect(refused.headers.get('www-authenticate')).toContain(
    'resource_metadata="https://codex.example/.well-known/oauth-protected-resource/mcp"',
  );
});

test('without an authorization server there is nothing to be told', async () => {
  await using server = await startTestServer({}, [], { authenticator });
  const path = '/.well-known/oauth-protected-resource';
  const headers = { authorization: `Bearer ${TOKEN}` };
  expect((await fetch(`${server.url}${path}`, { headers })).status).toBe(404);
});

test('whoever is not known learns that the server lives, and no more', async () => {
  await using server = await startTestServer({}, [], { authenticator });
  const health = await (await fetch(`${server.url}/health`)).json();
  expect(health).toEqual({ ready: true, status: 'healthy', version: '1.2.3' });
  const headers = { authorization: `Bearer ${TOKEN}` };
  const whole = await (await fetch(`${server.url}/health`, { headers })).json();
  expect(whole).toHaveProperty('uptime_seconds');
  for (const path of ['/tools', '/nowhere', '/api/v1/turns/x', '/messages?sessionId=x']) {
    expect((await fetch(`${server.url}${path}`)).status, path).toBe(401);
  }
  expect((await fetch(`${server.url}/ping`)).status).toBe(200);
});

test('no token gets into the log, wherever it stands', async () => {
  await using server = await startTestServer({}, [], { authenticator });
  const headers = { authorization: `Bearer ${TOKEN}` };
  await fetch(`${server.url}/tools`, { headers });
  await fetch(`${server.url}/tools?token=${TOKEN}`, { headers });
  await fetch(`${server.url}/tools/failing?access_token=${TOKEN}`, { method: 'POST' });
  await fetch(`${server.url}/tools`, { headers: { authorization: `Bearer ${TOKEN}x` } });
  expect(server.logLines.length).toBeGreaterThan(3);
  expect(server.logLines.join('\n')).not.toContain(TOKEN);
});

test('streams end with the token that opened them', async () => {
  await using server = await startTestServer({}, [], { authenticator, recheckMs: 50 });
  const headers = { authorization: `Bearer ${TOKEN}` };
  await using events = await readEvents(`${server.url}/api/v1/agents/events`, headers);
  const state = () => Promise.race([events.ended.then(() => 'ended'), sleep(200, 'open')]);
  expect(await state()).toBe('open');
  withdrawn = true;
  expect(await state()).toBe('ended');
  withdrawn = false;
});
