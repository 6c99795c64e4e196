import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { Credentials } from '../../../src/gateway/credentials/credentials.ts';
import { PrincipalKeys } from '../../../src/gateway/credentials/principal-keys.ts';
import { loadConfig } from '../../../src/server/load-config.ts';
import { answerAnything } from '../../fakes/stand-in-model/script.ts';
import { startStandInModel } from '../../fakes/stand-in-model/stand-in-model.ts';
import { nodeEnvironment } from '../../setup/node-programs.ts';
import { ask as askThrough, log, REAL_KEY, startRig } from '../rig.ts';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const PASSPHRASE = 'correct horse battery staple, and more of it';
const KEY = 'sk-of-alice-1234';

let directory: string;
let file: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'principal-keys-'));
  file = path.join(directory, 'credentials.json');
  return () => fs.rmSync(directory, { recursive: true });
});

const keysOf = (passphrase: string | undefined = PASSPHRASE) =>
  new PrincipalKeys({ DATA_DIR: directory, CREDENTIALS_KEY: passphrase });

async function run(args: string[], input = '', environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [MAIN, 'credentials', ...args], {
    cwd: directory,
    env: {
      ...{ ...nodeEnvironment(), HOME: directory, DATA_DIR: directory },
      ...{ CREDENTIALS_KEY: PASSPHRASE, ...environment },
    },
  });
  child.stdin.on('error', () => undefined).end(input);
  const [output, errors] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { exitCode: child.exitCode, output, errors };
}

test('a key is sealed for its owner alone, and found by a server that runs', async () => {
  const running = keysOf();
  expect(running.find('alice')).toBeUndefined();
  const { exitCode, output } = await run(['set', 'alice'], `${KEY}\n`);
  expect([exitCode, output]).toEqual([0, 'Agents of alice use this key from now on.\n']);
  expect(running.find('alice')).toBe(KEY);
  expect(running.find('bob')).toBeUndefined();
  expect(fs.readFileSync(file, 'utf8')).not.toContain(KEY);
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  expect((await run(['list'])).output).toMatch(/^alice\t\d{4}-/);
  expect((await run(['remove', 'alice'])).exitCode).toBe(0);
  expect(running.find('alice')).toBeUndefined();
  expect((await run(['remove', 'alice'])).exitCode).toBe(1);
});

test('keys that are set at the same time are all kept', async () => {
  const names = ['a', 'b', 'c', 'd'];
  await Promise.all(names.map((name) => run(['set', name], `sk-${name}`)));
  const keys = keysOf();
  expect(names.map((name) => keys.find(name))).toEqual(['sk-a', 'sk-b', 'sk-c', 'sk-d']);
});

describe('nothing is stored or read', () => {
  test('without a passphrase', async () => {
    const refused = await run(['set', 'alice'], KEY, { CREDENTIALS_KEY: '' });
    expect([refused.exitCode, refused.errors]).toEqual([
      1,
      expect.stringContaining('CREDENTIALS_KEY is not set'),
    ]);
    expect(fs.existsSync(file)).toBe(false);
    await keysOf().set('alice', KEY);
    const keys = new PrincipalKeys({ DATA_DIR: directory, CREDENTIALS_KEY: undefined });
    expect(() => keys.find('alice')).toThrow(/CREDENTIALS_KEY is not set/);
  });

  test('with one that is too short', async () => {
    const { exitCode, errors } = await run(['list'], '', { CREDENTIALS_KEY: 'too short' });
    expect([exitCode, errors]).toEqual([2, expect.stringContaining('CREDENTIALS_KEY is a secret')]);
    expect(errors).not.toContain('too short');
  });

  test('with another one than before', async () => {
    await keysOf().set('alice', KEY);
    const others = keysOf(`${PASSPHRASE}!`);
    expect(() => others.find('alice')).toThrow(/another CREDENTIALS_KEY/);
    await expect(others.set('bob', 'sk-b')).rejects.toMatchObject({
      code: 'credentials_unreadable',
    });
    expect(keysOf().find('alice')).toBe(KEY);
  });

  test('of what was put under another name', async () => {
    await keysOf().set('alice', KEY);
    fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('alice', 'mallory'));
    expect(() => keysOf().find('mallory')).toThrow(/another CREDENTIALS_KEY/);
  });

  test('of a damaged file', () => {
    fs.writeFileSync(file, '{"version": 1');
    expect(() => keysOf().find('alice')).toThrow(/is damaged/);
  });
});

test.each([
  [['set']],
  [['set', 'two words']],
  [['set', 'a', 'b']],
  [['list', 'alice']],
  [['show', 'alice']],
])('%j is a wrong use', async (args) => {
  expect((await run(args, KEY)).exitCode).toBe(2);
});

test('an agent is paid by its principal, and any other by whoever runs the server', async () => {
  await keysOf().set('alice', KEY);
  let payer: string | undefined = 'alice';
  const requests: string[] = [];
  await using model = await startStandInModel({ apiKey: REAL_KEY, script: answerAnything });
  const config = loadConfig({
    DATA_DIR: directory,
    CREDENTIALS_KEY: PASSPHRASE,
    OPENAI_API_KEY: REAL_KEY,
    OPENAI_BASE_URL: model.url,
  });
  const credentials = new Credentials(config, log);
  await using rig = await startRig({
    upstream: credentials,
    payerOf: (agentId) => {
      requests.push(agentId);
      return payer;
    },
  });
  // The stand-in knows the server's key alone.
  expect(await askThrough(rig.port)).toMatchObject({ status: 400 });
  expect(model.requests.at(-1)?.headers.authorization).toBe(`Bearer ${KEY}`);
  payer = 'bob';
  expect(await askThrough(rig.port)).toMatchObject({ status: 200 });
  expect(model.requests.at(-1)?.headers.authorization).toBe(`Bearer ${REAL_KEY}`);
  expect(requests).toEqual(['agent-1', 'agent-1']);
});

test('where principals pay for themselves, a server without credentials takes work', async () => {
  const config = loadConfig({
    DATA_DIR: directory,
    CODEX_AUTH_METHOD: 'api_key',
    CREDENTIALS_KEY: PASSPHRASE,
    CODEX_AUTH_DIR: directory,
  });
  const credentials = new Credentials(config, log);
  expect(credentials.refusal).toMatchObject({ code: 'credentials_missing' });
  await keysOf().set('alice', KEY);
  expect(credentials.refusal).toBeUndefined();
  expect(credentials.problem).toMatchObject({ code: 'credentials_missing' });
  await expect(credentials.authorize('bob')).rejects.toMatchObject({ code: 'credentials_missing' });
  expect((await credentials.authorize('alice')).headers).toEqual({
    authorization: `Bearer ${KEY}`,
  });
});
