/**
 * A stand-in for the OpenAI authorization server, over real HTTP: refresh tokens that are good once,
 * the authorization code flow with PKCE, and the device flow of Codex. Whoever opens its pages agrees.
 */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export const ACCOUNT_ID = 'account-of-the-plan';
const CLIENT_ID = 'app_EMoamEEZ73f0CkXaXp7hrann';

export type StandInTokens = {
  access_token: string;
  refresh_token: string;
  id_token: string;
  account_id: string;
};

type Grant = { challenge: string; redirectUri: string };
type Reply = { status: number; body?: unknown; location?: string };

/** What the authorization server would do to whoever asks it next. */
type Mood = 'well' | 'failing' | 'silent';

export class StandInAuthority {
  /** How often a login was renewed. */
  refreshes = 0;
  /** Why renewals were refused. */
  readonly refusals: string[] = [];
  readonly revoked: string[] = [];
  /** Of access tokens. */
  lifetimeSeconds = 3600;
  mood: Mood = 'well';
  url = '';
  readonly #now: () => number;
  readonly #issuedIds = new Set<string>();
  readonly #unused = new Set<string>();
  readonly #used = new Set<string>();
  readonly #withdrawn = new Set<string>();
  readonly #codes = new Map<string, Grant>();
  readonly #devices = new Map<string, { userCode: string; approved: boolean }>();
  readonly #server = http.createServer(async (request, response) => {
    const { status, body, location } = await this.#answer(request);
    if (status === 0) return void response.destroy();
    response.writeHead(status, {
      'content-type': 'application/json',
      ...(location && { location }),
    });
    response.end(body === undefined ? '' : JSON.stringify(body));
  });

  constructor(now: () => number) {
    this.#now = now;
  }

  static async start(now: () => number = Date.now): Promise<StandInAuthority> {
    const authority = new StandInAuthority(now);
    await once(authority.#server.listen(0, '127.0.0.1'), 'listening');
    const { port } = authority.#server.address() as AddressInfo;
    authority.url = `http://127.0.0.1:${port}`;
    return authority;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** The tokens of a new login. */
  issue(): StandInTokens {
    const issuedAt = this.#now() / 1000;
    const account = { chatgpt_account_id: ACCOUNT_ID, chatgpt_plan_type: 'plus' };
    const id = randomUUID();
    this.#issuedIds.add(id);
    const claims = {
      iss: this.url,
      aud: [CLIENT_ID],
      sub: 'user-1',
      iat: Math.floor(issuedAt),
      exp: issuedAt + this.lifetimeSeconds,
      'https://api.openai.com/auth': account,
    };
    const refreshToken = `refresh-${randomUUID()}`;
    this.#unused.add(refreshToken);
    return {
      access_token: jwt({ ...claims, iat: issuedAt, jti: id }),
      refresh_token: refreshToken,
      id_token: jwt({ ...claims, email: 'user@example.com' }),
      account_id: ACCOUNT_ID,
    };
  }

  /** Whether a request to the ChatGPT backend carries a good access token and its account. */
  admits(headers: IncomingHttpHeaders): boolean {
    const token = headers.authorization?.replace('Bearer ', '') ?? '';
    const { jti, exp } = claimsOf(token);
    const isGood = this.#issuedIds.has(jti) && this.#now() < exp * 1000;
    return isGood && !this.#withdrawn.has(jti) && headers['chatgpt-account-id'] === ACCOUNT_ID;
  }

  /** Lets an access token be refused before its expiry. */
  withdraw(accessToken: string): void {
    this.#withdrawn.add(claimsOf(accessToken).jti);
  }

  /** Ends every login there is. */
  revokeAll(): void {
    this.#unused.clear();
  }

  async #answer(request: IncomingMessage): Promise<Reply> {
    const url = new URL(request.url ?? '', this.url);
    const body = readBody(request, await text(request));
    if (this.mood === 'failing') return { status: 503 };
    if (this.mood === 'silent') return { status: 0 };
    switch (`${request.method} ${url.pathname}`) {
      case 'POST /oauth/token':
        return body.grant_type === 'refresh_token' ? this.#refresh(body) : this.#exchange(body);
      case 'POST /oauth/revoke':
        this.revoked.push(body.token ?? '');
        return { status: 200, body: {} };
      case 'GET /oauth/authorize':
        return this.#authorize(url.searchParams);
      case 'POST /api/accounts/deviceauth/usercode':
        return this.#beginDevice(body);
      case 'POST /api/accounts/deviceauth/token':
        return this.#endDevice(body);
      case 'GET /codex/device':
        return this.#approveDevice(url.searchParams.get('code'));
      default:
        return { status: 404, body: {} };
    }
  }

  #refresh({ refresh_token: token = '', client_id }: Fields): Reply {
    if (client_id === CLIENT_ID && this.#unused.delete(token)) {
      this.#used.add(token);
      this.refreshes += 1;
      const { account_id: _, ...tokens } = this.issue();
      return { status: 200, body: tokens };
    }
    const code = this.#used.has(token) ? 'refresh_token_reused' : 'refresh_token_invalidated';
    this.refusals.push(code);
    const message = `The token ${token} cannot be used.`;
    return { status: 401, body: { error: { code, message, type: 'invalid_request_error' } } };
  }

  #authorize(asked: URLSearchParams): Reply {
    const { redirect_uri, state, code_challenge, ...rest } = Object.fromEntries(asked);
    const isWhole =
      rest.client_id === CLIENT_ID &&
      rest.response_type === 'code' &&
      rest.code_challenge_method === 'S256' &&
      rest.scope?.includes('offline_access');
    if (!(isWhole && redirect_uri && state && code_challenge)) return { status: 400, body: rest };
    const code = this.#newCode({ challenge: code_challenge, redirectUri: redirect_uri });
    return { status: 302, location: `${redirect_uri}?${new URLSearchParams({ code, state })}` };
  }

  #newCode(grant: Grant): string {
    const code = `code-${randomUUID()}`;
    this.#codes.set(code, grant);
    return code;
  }

  #exchange({ code = '', code_verifier = '', redirect_uri, client_id }: Fields): Reply {
    const grant = this.#codes.get(code);
    this.#codes.delete(code);
    const proves = grant?.challenge === sha256(code_verifier);
    if (!grant || !proves || grant.redirectUri !== redirect_uri || client_id !== CLIENT_ID) {
      return { status: 400, body: { error: 'invalid_grant', error_description: 'no such code' } };
    }
    const { account_id: _, ...tokens } = this.issue();
    return { status: 200, body: { ...tokens, token_type: 'Bearer' } };
  }

  #beginDevice({ client_id }: Fields): Reply {
    if (client_id !== CLIENT_ID) return { status: 404, body: {} };
    const deviceId = randomUUID();
    const userCode = randomUUID().slice(0, 8).toUpperCase();
    this.#devices.set(deviceId, { userCode, approved: false });
    return {
      status: 200,
      body: { device_auth_id: deviceId, user_code: userCode, interval: '1' },
    };
  }

  #approveDevice(userCode: string | null): Reply {
    const device = [...this.#devices.values()].find((each) => each.userCode === userCode);
    if (!device) return { status: 404, body: {} };
    device.approved = true;
    return { status: 200, body: {} };
  }

  #endDevice({ device_auth_id: id = '', user_code }: Fields): Reply {
    const device = this.#devices.get(id);
    if (!device?.approved || device.userCode !== user_code) return { status: 403, body: {} };
    this.#devices.delete(id);
    const verifier = randomUUID() + randomUUID();
    const challenge = sha256(verifier);
    const redirectUri = `${this.url}/deviceauth/callback`;
    const code = this.#newCode({ challenge, redirectUri });
    const codes = { code_challenge: challenge, code_verifier: verifier };
    return { status: 200, body: { authorization_code: code, ...codes } };
  }
}

type Fields = Record<string, string | undefined>;

function readBody(request: IncomingMessage, body: string): Fields {
  const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded');
  if (isForm) return Object.fromEntries(new URLSearchParams(body));
  return body === '' ? {} : JSON.parse(body);
}

function jwt(claims: object): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode(claims)}.c2lnbmF0dXJl`;
}

function claimsOf(token: string): { jti: string; exp: number } {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  } catch {
    return { jti: '', exp: 0 };
  }
}

function sha256(words: string): string {
  return createHash('sha256').update(words).digest('base64url');
}
