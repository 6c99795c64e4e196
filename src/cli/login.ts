import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import type { Config } from '../config/config.ts';
import { homeDirectories } from '../config/home-directories.ts';
import { AuthFile } from '../gateway/credentials/auth-file.ts';
import { withFileLock } from '../gateway/credentials/file-lock.ts';
import { findAuthFile } from '../gateway/credentials/find-auth-file.ts';
import { toLogin } from '../gateway/credentials/login.ts';
import { loginByBrowser } from '../gateway/credentials/login-flows/browser-login.ts';
import { loginByDevice } from '../gateway/credentials/login-flows/device-login.ts';
import { openBrowser } from '../gateway/credentials/login-flows/open-browser.ts';
import { loadConfig } from '../server/load-config.ts';
import { StartError, UsageError } from './failure.ts';

const CODEX_CALLBACK_PORT = 1455;

/** `login`: saves a login in auth.json, from which a running server reads it. */
export async function login(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      'device-auth': { type: 'boolean', default: false },
      'with-api-key': { type: 'boolean', default: false },
      'env-file': { type: 'string', default: '.env' },
    },
  });
  const config = loadConfig(process.env, values['env-file']);
  const file = authFileOf(config);
  const [word, ...others] = positionals;
  if ((word !== undefined && word !== 'status') || others.length > 0) {
    throw new UsageError(`login does not know "${positionals.join(' ')}".`);
  }
  if (word === 'status') return status(file);
  if (values['with-api-key']) {
    const key = await secretFromStdin('printenv KEY | codex-hangar login --with-api-key');
    await save(file, () => file.saveApiKey(key));
    console.log(`The API key is saved in ${file.path}.`);
    return;
  }
  const tokens = await loginOf(config, values['device-auth'] ? 'device' : 'browser');
  await save(file, () => file.saveLogin(tokens));
  console.log(`Logged in${nameOf(toLogin(tokens).email)}. The login is saved in ${file.path}.`);
}

export function authFileOf(config: Config): AuthFile {
  return new AuthFile(findAuthFile(config, homeDirectories()));
}

/** Reads a secret from a pipe; a typed one would stay on the screen. */
export async function secretFromStdin(example: string): Promise<string> {
  if (process.stdin.isTTY) throw new UsageError(`Pipe the key in: ${example}`);
  const secret = (await text(process.stdin)).trim();
  if (/^[\x21-\x7e]{1,4096}$/.test(secret)) return secret;
  throw new StartError('The input is not a key: a key is one line without spaces.');
}

/** Locks the file, or a renewal of a server could overwrite the new login. */
async function save(file: AuthFile, write: () => void): Promise<void> {
  file.makeDirectory();
  await withFileLock(file.path, async () => write());
}

function loginOf(config: Config, method: 'device' | 'browser') {
  const { OAUTH_CALLBACK_TIMEOUT: seconds, OAUTH_CALLBACK_PORT: port } = config;
  const late = new AbortController();
  const timer = setTimeout(() => {
    const advice = `Try again, with --device-auth, or with OAUTH_CALLBACK_PORT=${CODEX_CALLBACK_PORT}`;
    late.abort(new StartError(`Nobody logged in within ${seconds} s. ${advice}.`));
  }, seconds * 1000);
  const { signal } = late;
  const done =
    method === 'device'
      ? loginByDevice({ config, signal, show: showCode })
      : loginByBrowser({ config, port, signal, show: (url) => showPage(config, url) });
  return done.finally(() => clearTimeout(timer));
}

function showPage(config: Config, url: string): void {
  console.log(`Log in here: ${url}`);
  if (config.OAUTH_CALLBACK_PORT !== CODEX_CALLBACK_PORT) {
    console.log(
      `If the page rejects the redirect, set OAUTH_CALLBACK_PORT=${CODEX_CALLBACK_PORT}, the port of Codex.`,
    );
  }
  if (config.OAUTH_AUTO_OPEN_BROWSER) openBrowser(url);
}

function showCode(url: string, code: string): void {
  console.log(`Open ${url} on any machine and enter this code: ${code}`);
  console.log('Enter it nowhere else, and only if you started this login yourself.');
}

function status(file: AuthFile): void {
  const { tokens, apiKey } = file.read() ?? {};
  if (tokens) {
    const { email, plan, expiresAt } = toLogin(tokens);
    const until = expiresAt === undefined ? '' : `, until ${new Date(expiresAt).toISOString()}`;
    const state = (expiresAt ?? Infinity) < Date.now() ? 'due to be renewed' : 'good';
    console.log(`Logged in with ChatGPT${nameOf(email)}${plan ? ` (${plan})` : ''}: ${file.path}`);
    console.log(`The access token is ${state}${until}.`);
  } else if (apiKey !== undefined) {
    console.log(`An API key is saved in ${file.path}.`);
  } else {
    console.log(`Not logged in: no OAuth tokens found in ${file.path}.`);
    process.exitCode = 1;
  }
}

function nameOf(email: string | undefined): string {
  return email === undefined ? '' : ` as ${email}`;
}
