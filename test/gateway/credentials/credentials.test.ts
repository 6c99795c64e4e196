import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { Credentials } from '../../../src/gateway/credentials/credentials.ts';
import { findAuthFile } from '../../../src/gateway/credentials/find-auth-file.ts';
import { UpstreamClient } from '../../../src/gateway/upstream-client.ts';
import { loadConfig } from '../../../src/server/load-config.ts';
import { ACCOUNT_ID } from '../../fakes/stand-in-authority.ts';
import { fakeAnswer } from '../fake-answer.ts';
import { ask, CredentialsRig } from './rig.ts';

const KEY = 'sk-of-the-environment';

function credentialsOf(rig: CredentialsRig, environment: Record<string, string> = {}) {
  const config = loadConfig({
    DATA_DIR: path.join(rig.directory, 'data'),
    OAUTH_TOKEN_STORAGE_PATH: rig.file,
    OAUTH_ISSUER: rig.authority.url,
    CHATGPT_BASE_URL: rig.backend.url,
    ...environment,
  });
  return new Credentials(config, rig.log);
}

describe('what pays', () => {
  const cases: [string, Record<string, string>, 'login' | 'key' | 'nothing', string][] = [
    ['a login before a key', { OPENAI_API_KEY: KEY }, 'login', 'oauth'],
    [
      'a key, if it is preferred',
      { OPENAI_API_KEY: KEY, CODEX_PREFER_OAUTH: 'false' },
      'login',
      'api_key',
    ],
    [
      'a key, if it is asked for',
      { OPENAI_API_KEY: KEY, CODEX_AUTH_METHOD: 'api_key' },
      'login',
      'api_key',
    ],
    [
      'a login, if a key is preferred but absent',
      { CODEX_PREFER_OAUTH: 'false' },
      'login',
      'oauth',
    ],
    ['a login, if it is asked for', { CODEX_AUTH_METHOD: 'oauth' }, 'login', 'oauth'],
    ['a key, if there is no login', { OPENAI_API_KEY: KEY }, 'nothing', 'api_key'],
    ['a saved key', {}, 'key', 'api_key'],
    [
      'nothing, if a login is asked for and there is a key',
      { OPENAI_API_KEY: KEY, CODEX_AUTH_METHOD: 'oauth' },
      'key',
      'none',
    ],
    [
      'nothing, if a key is asked for and there is a login',
      { CODEX_AUTH_METHOD: 'api_key' },
      'login',
      'none',
    ],
    [
      'a key, at an endpoint of one’s own',
      { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' },
      'login',
      'api_key',
    ],
    [
      'no login and no saved key, at an endpoint of one’s own',
      { OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' },
      'key',
      'none',
    ],
  ];
  test.each(cases)('%s', async (_name, environment, saved, method) => {
    await using rig = await CredentialsRig.start();
    if (saved !== 'login') fs.rmSync(rig.file);
    if (saved === 'key') {
      fs.writeFileSync(
        rig.file,
        JSON.stringify({ auth_mode: 'apikey', OPENAI_API_KEY: 'sk-saved' }),
      );
    }
    const credentials = credentialsOf(rig, environment);
    expect(credentials.report.method).toBe(method);
    if (method === 'none') {
      await expect(credentials.authorize()).rejects.toMatchObject({ code: 'credentials_missing' });
      return;
    }
    const { baseUrl, headers } = await credentials.authorize();
    const token = rig.authority.admits(headers) ? 'login' : headers.authorization;
    const key = saved === 'key' ? 'sk-saved' : KEY;
    expect(token).toBe(method === 'oauth' ? 'login' : `Bearer ${key}`);
    expect(baseUrl === rig.backend.url).toBe(method === 'oauth');
  });

  test('an access token of the environment, until it expires', async () => {
    await using rig = await CredentialsRig.start();
    const { access_token } = rig.read().tokens;
    fs.rmSync(rig.file);
    const credentials = credentialsOf(rig, { CHATGPT_OAUTH_TOKEN: access_token });
    expect(credentials.report).toMatchObject({ origin: 'CHATGPT_OAUTH_TOKEN', ready: true });
    const { headers } = await credentials.authorize();
    expect(headers).toEqual({
      authorization: `Bearer ${access_token}`,
      'chatgpt-account-id': ACCOUNT_ID,
    });
    rig.clock.ms -= 2 * 3_600_000;
    const old = credentialsOf(rig, { CHATGPT_OAUTH_TOKEN: rig.authority.issue().access_token });
    await expect(old.authorize()).rejects.toMatchObject({ code: 'login_revoked' });
  });

  test('a login that is made while the server runs, and no more once it is gone', async () => {
    await using rig = await CredentialsRig.start();
    fs.rmSync(rig.file);
    const credentials = credentialsOf(rig);
    expect(credentials.refusal).toMatchObject({
      code: 'credentials_missing',
      message: expect.stringContaining('No OAuth tokens found'),
    });
    rig.writeLogin(rig.authority.issue());
    expect(credentials.refusal).toBeUndefined();
    expect(credentials.report).toMatchObject({ method: 'oauth', origin: 'auth.json', ready: true });
    fs.rmSync(rig.file);
    expect(credentials.report).toMatchObject({ method: 'none', ready: false });
  });

  test('a key does not step in for a login that is refused', async () => {
    await using rig = await CredentialsRig.start();
    const credentials = credentialsOf(rig, { OPENAI_API_KEY: KEY });
    rig.authority.revokeAll();
    rig.authority.withdraw(rig.read().tokens.access_token);
    await expect(ask(new UpstreamClient(credentials))).rejects.toMatchObject({
      code: 'login_revoked',
    });
    expect(credentials.report).toMatchObject({ method: 'oauth', ready: false });
    expect(credentials.refusal).toMatchObject({ code: 'login_revoked' });
  });
});

test('the log says once that a login is in use', async () => {
  await using rig = await CredentialsRig.start();
  const credentials = credentialsOf(rig);
  for (let request = 0; request < 3; request += 1) await credentials.authorize();
  const words = [...rig.logged().matchAll(/"msg":"([^"]+)"/g)].map(([, message]) => message);
  expect(words).toEqual([
    'Injecting OAuth tokens for ChatGPT subscription authentication',
    'OAuth tokens injected successfully',
  ]);
});

test('no token is in the log, in a report or in what an agent reads', async () => {
  await using rig = await CredentialsRig.start();
  const credentials = credentialsOf(rig);
  const { tokens } = rig.read();
  const secrets = [tokens.access_token, tokens.refresh_token, tokens.id_token, ACCOUNT_ID];
  // A backend that repeats all it could know.
  await using backend = await echoOf(secrets);
  const client = new UpstreamClient({
    authorize: async () => ({ ...(await credentials.authorize()), baseUrl: backend.url }),
  });
  const outcome = await ask(client);
  const seen = JSON.stringify([outcome, credentials.report, credentials.problem]) + rig.logged();
  expect(outcome).toMatchObject({ kind: 'refused', body: expect.stringContaining('[redacted]') });
  for (const secret of secrets) expect(seen).not.toContain(secret);
});

describe('where an auth.json is looked for', () => {
  const homes = (rig: CredentialsRig) =>
    ['home', 'profile'].map((name) => path.join(rig.directory, name));
  const put = (...parts: string[]) => {
    const file = path.join(...parts);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, '{}');
    return file;
  };

  test('in $HOME, then in $USERPROFILE', async () => {
    await using rig = await CredentialsRig.start();
    const [home = '', profile = ''] = homes(rig);
    expect(findAuthFile({}, [home, profile])).toBe(path.join(home, '.codex', 'auth.json'));
    const inProfile = put(profile, '.codex', 'auth.json');
    expect(findAuthFile({}, [home, profile])).toBe(inProfile);
    const inHome = put(home, '.codex', 'auth.json');
    expect(findAuthFile({}, [home, profile])).toBe(inHome);
  });

  test('only where it is said to be, if it is said', async () => {
    await using rig = await CredentialsRig.start();
    const [home = ''] = homes(rig);
    put(home, '.codex', 'auth.json');
    const named = { CODEX_AUTH_DIR: '/named', OAUTH_TOKEN_STORAGE_PATH: '/file.json' };
    expect(findAuthFile(named, [home])).toBe('/file.json');
    expect(findAuthFile({ CODEX_AUTH_DIR: '/named' }, [home])).toBe('/named/auth.json');
  });
});

function echoOf(secrets: string[]) {
  return fakeAnswer((response) => {
    response.writeHead(403, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: { message: `Refused: ${secrets.join(', ')}` } }));
  });
}
