import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SignJWT } from 'jose';
import pino from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { type AuditEntry, NO_AUDIT } from '../../../src/audit/audit-log.ts';
import { ApiTokens } from '../../../src/callers/authentication/api-tokens.ts';
import { Authenticator } from '../../../src/callers/authentication/authenticator.ts';
import { LOCAL, principalId } from '../../../src/identity/principal.ts';
import { AccessAudit } from '../../../src/server/audited/access-audit.ts';
import { loadConfig } from '../../../src/server/load-config.ts';
import { SqliteTokenStore } from '../../../src/store/sqlite/sqlite-token-store.ts';
import { startAuthorizationServer } from './authorization-server.ts';

const SECRET = 'a-secret-that-is-long-enough-for-hs256';
const logLines: string[] = [];
const log = pino({ level: 'debug' }, { write: (line) => logLines.push(line) });
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

function start(settings: Record<string, string> = {}, isLoopback = true) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'access-'));
  const store = SqliteTokenStore.open(directory);
  cleanups.push(() => {
    store.close();
    fs.rmSync(directory, { recursive: true });
  });
  const tokens = new ApiTokens(store);
  const authenticator = new Authenticator({
    tokens,
    config: loadConfig(settings),
    isLoopback,
    log,
  });
  const by = (authorization?: string) =>
    authenticator.authenticate({ authorization, address: '10.0.0.1' });
  return { directory, store, tokens, authenticator, by };
}

const developer = { principal: 'ann', tenant: 'default', roles: ['developer'] } as const;

describe('without a token', () => {
  test('the user of this machine is let in, as long as there are no tokens', async () => {
    const { by, tokens } = start();
    expect(await by()).toEqual(LOCAL);
    tokens.create(developer);
    await expect(by()).rejects.toMatchObject({ code: 'unauthorized' });
  });

  test.each([
    [{}, false, false],
    [{ ALLOW_UNAUTHENTICATED: 'true' }, false, true],
    [{ ALLOW_UNAUTHENTICATED: 'true', JWT_SECRET: SECRET }, true, false],
    [{ JWT_SECRET: SECRET }, true, false],
    [{ OIDC_ISSUER: 'https://login.example', OIDC_AUDIENCE: 'x' }, true, false],
  ])('with %j and loopback %j the door is open: %j', (settings, isLoopback, isOpen) => {
    expect(start(settings as Record<string, string>, isLoopback).authenticator.isOpen).toBe(isOpen);
  });

  test('the door stays closed when the last token is revoked', async () => {
    const { by, tokens, store } = start();
    const { record } = tokens.create(developer);
    expect(store.revoke(record.tokenId, new Date())).toBe(true);
    expect(store.revoke(record.tokenId, new Date())).toBe(false);
    await expect(by()).rejects.toMatchObject({ code: 'unauthorized' });
  });
});

describe('a static token', () => {
  test('stands for its principal, as Bearer and as password of Basic', async () => {
    const { by, tokens } = start();
    const { token } = tokens.create({ ...developer, agents: ['one'] });
    const ann = { id: 'ann', tenant: 'default', roles: ['developer'], agents: ['one'] };
    expect(await by(`Bearer ${token}`)).toEqual(ann);
    expect(await by(`Basic ${Buffer.from(`git:${token}`).toString('base64')}`)).toEqual(ann);
  });

  test('is refused once it is revoked or expired, or if a letter differs', async () => {
    const { by, tokens, store } = start();
    const { token, record } = tokens.create(developer);
    const old = tokens.create({ ...developer, expiresAt: new Date(Date.now() - 1) });
    const other = token.endsWith('A') ? `${token.slice(0, -1)}B` : `${token.slice(0, -1)}A`;
    for (const wrong of [other, old.token, `${token}x`, token.replace('cmcp', 'cmcq'), '']) {
      await expect(by(`Bearer ${wrong}`)).rejects.toMatchObject({ code: 'unauthorized' });
    }
    expect((await by(`Bearer ${token}`)).id).toBe('ann');
    store.revoke(record.tokenId, new Date());
    await expect(by(`Bearer ${token}`)).rejects.toMatchObject({ code: 'unauthorized' });
  });

  test('that was revoked is known as withdrawn, and what is no token of ours never is', () => {
    const { authenticator, tokens, store } = start();
    const { token, record } = tokens.create(developer);
    expect(authenticator.isWithdrawn(`Bearer ${token}`)).toBe(false);
    store.revoke(record.tokenId, new Date());
    expect(authenticator.isWithdrawn(`Bearer ${token}`)).toBe(true);
    expect(authenticator.isWithdrawn('Bearer a.b.c')).toBe(false);
    expect(authenticator.isWithdrawn(undefined)).toBe(true);
  });

  test('has the rights of now: those of whoever keeps its principal end with it', async () => {
    const { by, tokens, store } = start();
    const local = await by();
    const { token, record } = tokens.create(developer);
    expect(local.roles).toEqual([]);
    const ann = await by(`Bearer ${token}`);
    expect(ann.roles).toEqual(['developer']);
    store.revoke(record.tokenId, new Date());
    expect(ann).toEqual({ id: 'ann', tenant: 'default', roles: [], agents: [] });
  });

  test('is not logged when it comes without Bearer', async () => {
    const { by, tokens } = start();
    const { token } = tokens.create(developer);
    await expect(by(token)).rejects.toMatchObject({ code: 'unauthorized' });
    expect(logLines.join('')).toContain('neither Bearer nor Basic');
    expect(logLines.join('')).not.toContain(token.slice(0, 10));
  });

  test('is nowhere on the disk, in a file that others cannot read', () => {
    const { directory, tokens } = start();
    const { token } = tokens.create(developer);
    const secret = token.split('_').slice(2).join('_');
    for (const name of fs.readdirSync(directory)) {
      const file = path.join(directory, name);
      expect(fs.readFileSync(file).includes(secret)).toBe(false);
      expect(fs.statSync(file).mode & 0o077).toBe(0);
    }
  });

  test('that another process made or revoked counts at once', async () => {
    const { directory, by } = start();
    expect(await by()).toEqual(LOCAL);
    const beside = SqliteTokenStore.open(directory);
    cleanups.push(() => beside.close());
    const { token, record } = new ApiTokens(beside).create(developer);
    await expect(by()).rejects.toMatchObject({ code: 'unauthorized' });
    expect((await by(`Bearer ${token}`)).id).toBe('ann');
    beside.revoke(record.tokenId, new Date());
    await expect(by(`Bearer ${token}`)).rejects.toMatchObject({ code: 'unauthorized' });
  });
});

test('a name is another principal in each tenant, whatever it is', () => {
  const names = ['ann', 'lab/ann', 'lab%2Fann', 'default/ann'];
  const ids = ['default', 'lab', 'lab/ann'].flatMap((tenant) =>
    names.map((name) => principalId(name, tenant)),
  );
  expect(new Set(ids).size).toBe(ids.length);
  expect(principalId('oidc:auth0|1', 'default')).toBe('oidc:auth0|1');
});

describe('a JWT', () => {
  const sign = (claims: Record<string, unknown>, secret = SECRET, alg = 'HS256') =>
    new SignJWT(claims).setProtectedHeader({ alg }).sign(new TextEncoder().encode(secret));

  test('signed with the secret stands for its subject', async () => {
    const { by } = start({ JWT_SECRET: SECRET });
    const claims = { sub: 'bob', role: 'code', tenant: 'lab', agents: ['a'] };
    expect(await by(`Bearer ${await sign(claims)}`)).toEqual({
      id: 'lab/bob',
      tenant: 'lab',
      roles: ['developer'],
      agents: ['a'],
    });
    expect(await by(`Bearer ${await sign({ role: 'nonsense' })}`)).toEqual({
      id: 'jwt',
      tenant: 'default',
      roles: [],
    });
  });

  test('is refused if it is signed otherwise, expired, or says nonsense', async () => {
    const { by } = start({ JWT_SECRET: SECRET });
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`;
    const wrong = [
      await sign({ role: 'admin' }, 'another-secret-of-the-same-good-length!!'),
      await sign({ role: 'admin' }, SECRET + SECRET, 'HS512'),
      await sign({ role: 'admin', exp: 1 }),
      await sign({ role: 'admin', sub: 'has spaces' }),
      none,
      'a.b.c',
    ];
    for (const token of wrong) {
      await expect(by(`Bearer ${token}`)).rejects.toMatchObject({ code: 'unauthorized' });
    }
    await expect(by('Digest x')).rejects.toMatchObject({ code: 'unauthorized' });
  });
});

describe('of two JWTs of one person', () => {
  const NOW = Math.floor(Date.now() / 1000);
  const both = async (older: Record<string, unknown>, newer: Record<string, unknown>) => {
    const { by } = start({ JWT_SECRET: SECRET });
    const principalOf = async (claims: Record<string, unknown>) => {
      const named = { sub: 'ann', azp: 'desk', iss: 'us', exp: NOW + 600, ...claims };
      const token = new SignJWT(named).setProtectedHeader({ alg: 'HS256' });
      return by(`Bearer ${await token.sign(new TextEncoder().encode(SECRET))}`);
    };
    const first = await principalOf({ iat: NOW - 20, roles: ['developer', 'approver'], ...older });
    const second = await principalOf({ iat: NOW - 10, roles: ['developer'], ...newer });
    return [first.roles, second.roles];
  };

  test('the newer one takes the roles that it lacks, and gives the older none', async () => {
    expect(await both({}, {})).toEqual([['developer'], ['developer']]);
    expect(await both({ roles: ['viewer'] }, {})).toEqual([[], ['developer']]);
  });

  test('an older one that comes later takes nothing', async () => {
    expect(await both({}, { iat: NOW - 30 })).toEqual([['developer', 'approver'], ['developer']]);
  });

  test.each([
    ['client', { azp: 'dashboard' }],
    ['issuer', { iss: 'them' }],
    ['subject', { sub: 'bob' }],
    ['limit of agents', { agents: ['a'] }],
    ['client that is not told', { azp: undefined }],
  ])('one of another %s takes nothing', async (_what, newer) => {
    expect(await both({}, newer)).toEqual([['developer', 'approver'], ['developer']]);
  });
});

describe('an access token of an authorization server', () => {
  const settings = (issuer: string) => ({ OIDC_ISSUER: issuer, OIDC_AUDIENCE: 'codex-mcp' });

  test('is checked with the keys that the server publishes, which are asked for once', async () => {
    await using server = await startAuthorizationServer();
    const { by } = start(settings(server.issuer));
    const token = await server.token({ sub: 'cy', roles: ['approver', 'developer'] });
    const cy = { id: 'oidc:cy', tenant: 'default', roles: ['developer', 'approver'] };
    expect(await by(`Bearer ${token}`)).toEqual(cy);
    expect(await by(`Bearer ${await server.token({ sub: 'dee' })}`)).toMatchObject({
      id: 'oidc:dee',
      roles: ['viewer'],
    });
    expect(server.keyRequests()).toBe(1);
  });

  test('is refused if it is for others, expired, of nobody, or signed by somebody else', async () => {
    await using server = await startAuthorizationServer();
    await using other = await startAuthorizationServer();
    const { by } = start({ ...settings(server.issuer), JWT_SECRET: SECRET });
    const wrong = [
      await server.token({ sub: 'x' }, { audience: 'another' }),
      await server.token({ sub: 'x' }, { expires: '-1m' }),
      await server.token({}),
      await other.token({ sub: 'x' }),
    ];
    for (const token of wrong) {
      await expect(by(`Bearer ${token}`)).rejects.toMatchObject({ code: 'unauthorized' });
    }
  });

  test('waits for an authorization server that cannot be asked', async () => {
    await using server = await startAuthorizationServer();
    const { by } = start(settings('http://127.0.0.1:9'));
    const unreachable = by(`Bearer ${await server.token({ sub: 'x' })}`);
    await expect(unreachable).rejects.toMatchObject({ code: 'login_unavailable' });
  });
});

test('who sends wrong tokens too often is told to wait, and right ones are let in still', async () => {
  const { by, tokens } = start({ MAX_FAILED_LOGINS: '3' });
  const { token } = tokens.create(developer);
  for (let time = 1; time <= 3; time += 1) {
    await expect(by('Bearer wrong')).rejects.toMatchObject({ code: 'unauthorized' });
  }
  await expect(by('Bearer wrong')).rejects.toMatchObject({
    code: 'too_many_logins',
    data: { retry_after_seconds: expect.any(Number) },
  });
  expect((await by(`Bearer ${token}`)).id).toBe('ann');
});

test('the audit tells who came in, who did not, and of tokens that others made', () => {
  const { directory, store } = start();
  const entries: AuditEntry[] = [];
  const audit = new AccessAudit({ ...NO_AUDIT, append: (entry) => entries.push(entry) }, store);
  const beside = SqliteTokenStore.open(directory);
  cleanups.push(() => beside.close());
  const { record } = new ApiTokens(beside).create(developer);
  audit.poll();
  const ann = { id: 'ann', tenant: 'default', roles: ['developer'] } as const;
  audit.loggedIn(ann, '10.0.0.1');
  audit.loggedIn(ann, '10.0.0.1');
  audit.refused('10.0.0.2', 'wrong');
  beside.revoke(record.tokenId, new Date());
  audit.close();
  expect(entries.map(({ type, principal }) => [type, principal?.id])).toEqual([
    ['token_created', 'ann'],
    ['login', 'ann'],
    ['login_failed', 'server'],
    ['token_revoked', 'ann'],
  ]);
  expect(JSON.stringify(entries)).not.toContain(record.secretSha256);
});
