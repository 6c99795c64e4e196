import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ACCOUNT_ID, StandInAuthority } from '../../fakes/stand-in-authority.ts';
import { ask, CredentialsRig } from './rig.ts';
import { AGENTS, askOverTwoExpiries, REQUESTS_OF_EACH } from './two-expiries.ts';

test('many agents share one login over two expiries: nothing fails, it is renewed twice', async () => {
  await using rig = await CredentialsRig.start();
  const client = rig.client();
  const kinds = await askOverTwoExpiries(rig, async () => (await ask(client)).kind);
  client.close();
  expect(kinds).toEqual(Array(AGENTS * REQUESTS_OF_EACH).fill('answered'));
  expect(rig.authority.refreshes).toBe(2);
  expect(rig.authority.refusals).toEqual([]);
  expect(rig.backend.requests[0]?.headers).toMatchObject({ 'chatgpt-account-id': ACCOUNT_ID });
});

test('a renewed login is written for its owner alone, with all that the file held', async () => {
  await using rig = await CredentialsRig.start();
  const before = rig.read();
  fs.chmodSync(rig.file, 0o644);
  rig.clock.passHour();
  const login = await rig.broker().login();
  const after = rig.read();
  expect(after.tokens.access_token).toBe(login.accessToken);
  expect(after.tokens.refresh_token).not.toBe(before.tokens.refresh_token);
  expect(after).toMatchObject({ of_the_cli: { kept: 1 }, tokens: { account_id: ACCOUNT_ID } });
  expect(Date.parse(after.last_refresh)).toBeGreaterThan(0);
  expect(fs.statSync(rig.file).mode & 0o777).toBe(0o600);
  expect(fs.readdirSync(rig.directory).sort()).toEqual(['auth.json', 'auth.json.lock']);
});

test('a login is renewed before it expires', async () => {
  await using rig = await CredentialsRig.start();
  const broker = rig.broker();
  rig.clock.ms += 54 * 60_000;
  await broker.login();
  expect(rig.authority.refreshes).toBe(0);
  rig.clock.ms += 2 * 60_000;
  await broker.login();
  expect(rig.authority.refreshes).toBe(1);
});

test('while it is still good, a login does without an authorization server', async () => {
  await using rig = await CredentialsRig.start();
  const broker = rig.broker();
  const { accessToken } = await broker.login();
  rig.authority.mood = 'failing';
  rig.clock.ms += 57 * 60_000;
  expect((await broker.login()).accessToken).toBe(accessToken);
  rig.clock.passHour();
  await expect(broker.login()).rejects.toMatchObject({ code: 'model_unavailable' });
  expect(await ask(rig.client(broker))).toMatchObject({ kind: 'unreachable' });
  rig.authority.mood = 'well';
  expect(await ask(rig.client(broker))).toMatchObject({ kind: 'answered' });
});

test('a refused access token is renewed, and the request sent once more', async () => {
  await using rig = await CredentialsRig.start();
  const client = rig.client();
  rig.authority.withdraw(rig.read().tokens.access_token);
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => ask(client)));
  expect(outcomes.map(({ kind }) => kind)).toEqual(Array(10).fill('answered'));
  expect(rig.authority.refreshes).toBe(1);
});

test('a backend that refuses what was just renewed is believed', async () => {
  await using rig = await CredentialsRig.start();
  const client = rig.client();
  rig.authority.withdraw(rig.read().tokens.access_token);
  await ask(client);
  rig.authority.withdraw(rig.read().tokens.access_token);
  for (let round = 0; round < 3; round += 1) {
    expect(await ask(client)).toMatchObject({ kind: 'refused', status: 401 });
  }
  expect(rig.authority.refreshes).toBe(1);
});

test('a login that the Codex CLI renewed is taken, and not renewed with what it used', async () => {
  await using rig = await CredentialsRig.start();
  const broker = rig.broker();
  await broker.login();
  rig.clock.passHour();
  const renewed = rig.authority.issue();
  rig.writeLogin(renewed);
  expect((await broker.login()).accessToken).toBe(renewed.access_token);
  expect(rig.authority.refreshes).toBe(0);
});

test('a login that the Codex CLI is just renewing is waited for', async () => {
  await using rig = await CredentialsRig.start();
  const broker = rig.broker();
  rig.clock.passHour();
  const { refresh_token } = rig.read().tokens;
  // The CLI has used the token up, and has not written yet.
  const response = await fetch(`${rig.authority.url}/oauth/token`, {
    method: 'POST',
    body: JSON.stringify({
      grant_type: 'refresh_token',
      refresh_token,
      client_id: 'app_EMoamEEZ73f0CkXaXp7hrann',
    }),
  });
  const tokens = (await response.json()) as ReturnType<StandInAuthority['issue']>;
  const waiting = broker.login();
  await sleep(500);
  rig.writeLogin({ ...tokens, account_id: ACCOUNT_ID });
  expect((await waiting).accessToken).toBe(tokens.access_token);
  expect(rig.authority.refusals).toEqual(['refresh_token_reused']);
});

test('half a file is not believed', async () => {
  await using rig = await CredentialsRig.start();
  const broker = rig.broker();
  const { accessToken } = await broker.login();
  const whole = fs.readFileSync(rig.file, 'utf8');
  fs.writeFileSync(rig.file, whole.slice(0, 100));
  expect((await broker.login()).accessToken).toBe(accessToken);
  const next = rig.authority.issue();
  rig.writeLogin(next);
  expect((await broker.login()).accessToken).toBe(next.access_token);
});

test('a revoked login stops work with its error, until it is replaced', async () => {
  await using rig = await CredentialsRig.start();
  const broker = rig.broker();
  const client = rig.client(broker);
  const old = rig.read().tokens;
  rig.authority.revokeAll();
  rig.clock.passHour();
  for (let round = 0; round < 3; round += 1) {
    await expect(ask(client)).rejects.toMatchObject({ code: 'login_revoked' });
  }
  expect(rig.authority.refusals).toEqual(['refresh_token_invalidated']);
  expect(broker.problem?.message).toContain('refresh_token_invalidated');
  rig.writeLogin(rig.authority.issue());
  expect(broker.problem).toBeUndefined();
  expect(await ask(client)).toMatchObject({ kind: 'answered' });
  // The authorization server repeats the token in what it says.
  expect(rig.logged()).toContain('refresh_token_invalidated');
  for (const secret of [old.refresh_token, old.access_token, old.id_token]) {
    expect(rig.logged()).not.toContain(secret);
  }
});

test('who logs out while a login is renewed stays logged out', async () => {
  await using rig = await CredentialsRig.start();
  const broker = rig.broker();
  rig.clock.passHour();
  const waiting = broker.login();
  fs.rmSync(rig.file);
  await expect(waiting).rejects.toMatchObject({
    code: 'credentials_missing',
    message: expect.stringContaining('No OAuth tokens found'),
  });
  expect(fs.existsSync(rig.file)).toBe(false);
});

test('who logs in while the login before is renewed has the last word', async () => {
  await using rig = await CredentialsRig.start();
  const broker = rig.broker();
  rig.clock.passHour();
  const waiting = broker.login();
  const next = rig.authority.issue();
  rig.writeLogin(next);
  expect(broker.current?.accessToken).toBe(next.access_token);
  expect((await waiting).accessToken).toBe(next.access_token);
  expect(rig.read().tokens).toEqual(next);
});

test('a renewed login that cannot be written is used, and written later', async () => {
  await using rig = await CredentialsRig.start();
  const broker = rig.broker();
  const content = fs.readFileSync(rig.file, 'utf8');
  await broker.login();
  rig.clock.passHour();
  // What not even root can put a file in the place of.
  fs.rmSync(rig.file);
  fs.mkdirSync(rig.file);
  const { accessToken } = await broker.login();
  fs.rmdirSync(rig.file);
  fs.writeFileSync(rig.file, content);
  expect((await broker.login()).accessToken).toBe(accessToken);
  expect(rig.read().tokens.access_token).not.toBe(accessToken);
  rig.clock.ms += 11_000;
  expect((await broker.login()).accessToken).toBe(accessToken);
  expect(rig.read().tokens.access_token).toBe(accessToken);
  expect(rig.authority).toMatchObject({ refreshes: 1, refusals: [] });
});

test('a login in a place that cannot be written is not used up', async () => {
  await using rig = await CredentialsRig.start();
  // What keeps root out too: a directory where the lock has to be.
  fs.mkdirSync(`${rig.file}.lock`);
  rig.clock.passHour();
  await expect(rig.broker().login()).rejects.toMatchObject({ code: 'login_read_only' });
  expect(rig.authority.refreshes + rig.authority.refusals.length).toBe(0);
});

test('processes beside each other renew a login once each time', { timeout: 90_000 }, async () => {
  await using authority = await StandInAuthority.start();
  await using rig = await CredentialsRig.start();
  authority.lifetimeSeconds = 1;
  rig.writeLogin(authority.issue());
  const program = fileURLToPath(new URL('login-process.ts', import.meta.url));
  const run = async () => {
    const child = spawn(process.execPath, [program, rig.file, authority.url, '4000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    return JSON.parse(output) as { failures: string[]; logins: number };
  };
  const results = await Promise.all([run(), run(), run()]);
  expect(results.flatMap(({ failures }) => failures)).toEqual([]);
  expect(Math.min(...results.map(({ logins }) => logins))).toBeGreaterThan(20);
  expect(authority.refusals).toEqual([]);
  expect(authority.refreshes).toBeGreaterThanOrEqual(3);
  expect(authority.refreshes).toBeLessThanOrEqual(7);
});
