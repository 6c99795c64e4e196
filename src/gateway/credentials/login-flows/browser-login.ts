import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as oauth from 'oauth4webapi';
import { AppError } from '../../../errors.ts';
import type { Tokens } from '../auth-file.ts';
import { type AuthorityConfig, authorityOf, exchangeCode } from './code-exchange.ts';

const CALLBACK_PATH = '/auth/callback';
/** What Codex asks for. */
const SCOPE = 'openid profile email offline_access api.connectors.read api.connectors.invoke';

export type BrowserLoginOptions = {
  config: AuthorityConfig;
  /** Port that the browser is redirected to; 0 takes a free one. */
  port: number;
  /** Shows the user the URL of the login. */
  show: (url: string) => void;
  /** Ends the wait for the user. */
  signal: AbortSignal;
};

type Grant = { parameters: URLSearchParams; answer: ServerResponse };

/**
 * Logs in by a browser on this machine: authorization code with PKCE. Throws `login_failed`, and the
 * reason of the signal.
 */
export async function loginByBrowser(options: BrowserLoginOptions): Promise<Tokens> {
  const { config, port, show, signal } = options;
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const server = await listen(port);
  try {
    const bound = (server.address() as AddressInfo).port;
    const redirectUri = `http://localhost:${bound}${CALLBACK_PATH}`;
    const granted = waitForGrant(server, { config, state, signal });
    // It may reject before it is awaited.
    granted.catch(() => undefined);
    const challenge = await oauth.calculatePKCECodeChallenge(verifier);
    show(authorizationUrl(config, { redirectUri, state, challenge }));
    const { parameters, answer } = await granted;
    return await finish(answer, () => exchangeCode(config, { parameters, redirectUri, verifier }));
  } finally {
    server.close();
    server.closeIdleConnections();
  }
}

async function listen(port: number): Promise<http.Server> {
  const server = http.createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return server;
  } catch (error) {
    const { message } = error as Error;
    const advice = `The browser cannot be redirected to OAUTH_CALLBACK_PORT: ${message}.`;
    throw new AppError('login_failed', advice, { cause: error });
  }
}

function authorizationUrl(
  config: AuthorityConfig,
  { redirectUri, state, challenge }: { redirectUri: string; state: string; challenge: string },
): string {
  const { server, client } = authorityOf(config);
  const url = new URL(server.authorization_endpoint ?? '');
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: redirectUri,
    scope: SCOPE,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    state,
    // Parameters of Codex: list the organizations, and shorten the pages.
    id_token_add_organizations: 'true',
    codex_cli_simplified_flow: 'true',
    originator: 'codex_cli_rs',
  }).toString();
  return url.href;
}

type GrantOptions = { config: AuthorityConfig; state: string; signal: AbortSignal };

/** Waits for the code, or the refusal, of this login. */
function waitForGrant(server: http.Server, options: GrantOptions): Promise<Grant> {
  const { config, state, signal } = options;
  const authority = authorityOf(config);
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    server.on('request', (request: IncomingMessage, answer: ServerResponse) => {
      const url = new URL(request.url ?? '', 'http://localhost');
      if (url.pathname !== CALLBACK_PATH) return page(answer, 404, 'There is nothing here.');
      // Another login, or a forged request: ours may still come.
      if (url.searchParams.get('state') !== state) return page(answer, 400, FOREIGN);
      try {
        const { server: issuer, client } = authority;
        resolve({ parameters: oauth.validateAuthResponse(issuer, client, url, state), answer });
      } catch (error) {
        page(answer, 400, FAILED);
        reject(loginFailed(error));
      }
    });
  });
}

const FOREIGN = 'This page belongs to another login.';
const FAILED = 'The login failed. The terminal says why.';
const DONE = 'You are logged in. You can close this page.';

async function finish(answer: ServerResponse, work: () => Promise<Tokens>): Promise<Tokens> {
  try {
    const tokens = await work();
    page(answer, 200, DONE);
    return tokens;
  } catch (error) {
    page(answer, 400, FAILED);
    throw loginFailed(error);
  }
}

function page(answer: ServerResponse, status: number, sentence: string): void {
  answer.writeHead(status, { 'content-type': 'text/html; charset=utf-8', connection: 'close' });
  answer.end(`<!doctype html><title>codex-mcp-server</title><p>${sentence}</p>\n`);
}

/** The failure of a login, without its cause, which may hold tokens. */
export function loginFailed(error: unknown): AppError {
  const { error: name, error_description: words, message } = error as Record<string, unknown>;
  const reason = [name, words].filter((part) => typeof part === 'string').join(': ');
  return new AppError('login_failed', `The login failed: ${reason || String(message)}.`);
}
