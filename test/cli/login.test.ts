import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findCodex } from '../../src/runtime/process/codex-binary.ts';
import { ACCOUNT_ID, StandInAuthority } from '../fakes/stand-in-authority.ts';
import { nodeEnvironment } from '../setup/node-programs.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const URL_SHOWN = /Log in here: (\S+)/;
const CODE_SHOWN = /Open (\S+) on any machine and enter this code: (\S+)/;

let authority: StandInAuthority;
let directory: string;
let file: string;

beforeAll(async () => {
  authority = await StandInAuthority.start();
});
afterAll(() => authority[Symbol.asyncDispose]());
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'login-'));
  file = path.join(directory, 'codex', 'auth.json');
  return () => fs.rmSync(directory, { recursive: true });
});

class Program {
  readonly #child: ChildProcess;
  readonly #errors: Promise<string>;
  readonly #lines: string[] = [];
  readonly #ended: Promise<unknown>;

  constructor(args: string[], more: Record<string, string> = {}) {
    this.#child = spawn(process.execPath, [MAIN, ...args], {
      cwd: directory,
      env: {
        ...nodeEnvironment(),
        HOME: directory,
        OAUTH_ISSUER: authority.url,
        OAUTH_TOKEN_STORAGE_PATH: file,
        OAUTH_CALLBACK_PORT: '0',
        OAUTH_AUTO_OPEN_BROWSER: 'false',
        ...more,
      },
    });
    const { stdout, stderr } = this.#child;
    if (!stdout || !stderr) throw new Error('no output');
    this.#errors = text(stderr);
    this.#ended = once(this.#child, 'close');
    createInterface({ input: stdout }).on('line', (line) => this.#lines.push(line));
  }

  input(words: string): this {
    this.#child.stdin?.end(words);
    return this;
  }

  async shows(pattern: RegExp): Promise<string[]> {
    return await expect
      .poll(() => pattern.exec(this.#lines.join('\n')), { timeout: 90_000 })
      .not.toBeNull()
      .then(() => [...(pattern.exec(this.#lines.join('\n')) ?? [])]);
  }

  async end() {
    await this.#ended;
    const { exitCode } = this.#child;
    return { exitCode, output: this.#lines.join('\n'), errors: await this.#errors };
  }
}

const saved = () => JSON.parse(fs.readFileSync(file, 'utf8'));
const modeOf = (place: string) => fs.statSync(place).mode & 0o777;

describe('by browser', () => {
  test('a login is made, kept for its owner alone, and shown', async () => {
    const program = new Program(['login']);
    const [, url = ''] = await program.shows(URL_SHOWN);
    const page = await fetch(url);
    expect(await page.text()).toContain('You are logged in');
    const { exitCode, output } = await program.end();
    expect(exitCode).toBe(0);
    expect(output).toContain('Logged in as user@example.com');
    expect(saved()).toMatchObject({
      auth_mode: 'chatgpt',
      OPENAI_API_KEY: null,
      tokens: { account_id: ACCOUNT_ID },
      last_refresh: expect.any(String),
    });
    expect([modeOf(file), modeOf(path.dirname(file))]).toEqual([0o600, 0o700]);
    for (const token of Object.values(saved().tokens)) {
      if (token !== ACCOUNT_ID) expect(output).not.toContain(token);
    }
    const status = await new Program(['login', 'status']).end();
    expect(status.output).toContain('Logged in with ChatGPT as user@example.com (plus)');
    expect(status.exitCode).toBe(0);
  });

  test('what comes back with a foreign state is not taken for the login', async () => {
    const program = new Program(['login']);
    const [, url = ''] = await program.shows(URL_SHOWN);
    const back = new URL(new URL(url).searchParams.get('redirect_uri') ?? '');
    back.search = '?code=of-somebody-else&state=guessed';
    expect((await fetch(back)).status).toBe(400);
    expect((await fetch(url)).status).toBe(200);
    expect((await program.end()).exitCode).toBe(0);
  });

  test('a code that was made for another verifier opens nothing', async () => {
    const program = new Program(['login']);
    const [, url = ''] = await program.shows(URL_SHOWN);
    const stolen = new URL(url);
    stolen.searchParams.set('code_challenge', 'A'.repeat(43));
    expect((await fetch(stolen)).status).toBe(400);
    const { exitCode, errors } = await program.end();
    expect(exitCode).toBe(1);
    expect(errors).toMatch(/^The login failed: invalid_grant: no such code\./);
    expect(fs.existsSync(file)).toBe(false);
  });

  test('a user who declines is told so', async () => {
    const program = new Program(['login']);
    const [, url = ''] = await program.shows(URL_SHOWN);
    const asked = new URL(url).searchParams;
    const state = asked.get('state') ?? '';
    const answer = new URLSearchParams({ error: 'access_denied', state });
    await fetch(`${asked.get('redirect_uri')}?${answer}`);
    expect((await program.end()).errors).toContain('The login failed: access_denied');
  });

  test('a user who does not come is not waited for longer than set', async () => {
    const { exitCode, errors } = await new Program(['login'], {
      OAUTH_CALLBACK_TIMEOUT: '1',
    }).end();
    expect(exitCode).toBe(1);
    expect(errors).toContain('Nobody logged in within 1 s.');
  });

  test('a port that is taken is named', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const environment = { OAUTH_CALLBACK_PORT: String(port) };
    const { errors } = await new Program(['login'], environment).end();
    server.close();
    expect(errors).toContain(`OAUTH_CALLBACK_PORT`);
    expect(errors).toContain(String(port));
  });
});

test('by device code, agreed to elsewhere', async () => {
  const program = new Program(['login', '--device-auth']);
  const [, url = '', code = ''] = await program.shows(CODE_SHOWN);
  expect((await fetch(`${url}?code=${code}`)).status).toBe(200);
  const { exitCode, output } = await program.end();
  expect([exitCode, output]).toEqual([0, expect.stringContaining('Logged in as user@example.com')]);
  expect(saved().tokens.account_id).toBe(ACCOUNT_ID);
});

describe('real Codex', () => {
  const environment = () => ({
    ...{ PATH: process.env.PATH, HOME: directory, CODEX_HOME: path.dirname(file) },
    CODEX_REVOKE_TOKEN_URL_OVERRIDE: `${authority.url}/oauth/revoke`,
  });

  test('reads the login that was made here', async () => {
    const program = new Program(['login']);
    const [, url = ''] = await program.shows(URL_SHOWN);
    await fetch(url);
    await program.end();
    const run = promisify(execFile);
    const { stderr } = await run(findCodex(undefined), ['login', 'status'], {
      env: environment(),
    });
    expect(stderr).toContain('Logged in using ChatGPT');
  });

  test('makes a login that is read here', { timeout: 90_000 }, async () => {
    fs.mkdirSync(path.dirname(file));
    const args = ['login', '--device-auth', '--experimental_issuer', authority.url];
    const codex = spawn(findCodex(undefined), args, { env: environment(), timeout: 90_000 });
    let shown = '';
    codex.stdout.on('data', (chunk) => {
      shown += chunk;
    });
    // It is shown in colour.
    const shownCode = /\[94m([0-9A-F]{8})\b/;
    await expect.poll(() => shown, { timeout: 90_000 }).toMatch(shownCode);
    const code = shownCode.exec(shown)?.[1];
    await fetch(`${authority.url}/codex/device?code=${code}`);
    const [exitCode] = await once(codex, 'exit');
    expect([exitCode, shown]).toEqual([0, expect.any(String)]);
    const status = await new Program(['login', 'status']).end();
    expect(status.output).toContain('Logged in with ChatGPT as user@example.com (plus)');
  });
});

describe('an API key', () => {
  test('is saved from standard input', async () => {
    const { exitCode, output } = await new Program(['login', '--with-api-key'])
      .input('sk-piped-in\n')
      .end();
    expect(exitCode).toBe(0);
    expect(output).not.toContain('sk-piped-in');
    expect(saved()).toEqual({ auth_mode: 'apikey', OPENAI_API_KEY: 'sk-piped-in' });
    expect(modeOf(file)).toBe(0o600);
    const status = await new Program(['login', 'status']).end();
    expect(status.output).toBe(`An API key is saved in ${file}.`);
  });

  test.each(['', 'two words\n'])('is not made of "%s"', async (words) => {
    const { exitCode, errors } = await new Program(['login', '--with-api-key']).input(words).end();
    expect(exitCode).toBe(1);
    expect(errors).toContain('is not a key');
    expect(fs.existsSync(file)).toBe(false);
  });
});

test('logout removes the login and ends it at the authorization server', async () => {
  const program = new Program(['login']);
  const [, url = ''] = await program.shows(URL_SHOWN);
  await fetch(url);
  await program.end();
  const { refresh_token } = saved().tokens;
  const { exitCode, output } = await new Program(['logout']).end();
  expect([exitCode, output]).toEqual([0, `Logged out: ${file} is removed.`]);
  expect(authority.revoked).toContain(refresh_token);
  const status = await new Program(['login', 'status']).end();
  expect(status).toMatchObject({
    exitCode: 1,
    output: expect.stringContaining('no OAuth tokens found'),
  });
});

test('a word that login does not know is refused', async () => {
  const { exitCode, errors } = await new Program(['login', 'now']).end();
  expect([exitCode, errors]).toEqual([2, expect.stringMatching(/^login does not know "now"/)]);
});
