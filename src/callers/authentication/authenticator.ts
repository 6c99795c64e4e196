import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { Logger } from 'pino';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { LOCAL, livePrincipal, type Principal } from '../../identity/principal.ts';
import type { ApiTokens } from './api-tokens.ts';
import { JwtVerifier } from './jwt-verifier.ts';
import { type OidcSettings, OidcVerifier } from './oidc-verifier.ts';

const WINDOW_SECONDS = 60;

export type AuthenticatorOptions = {
  tokens: ApiTokens;
  config: OidcSettings &
    Pick<Config, 'JWT_SECRET' | 'OIDC_ISSUER' | 'ALLOW_UNAUTHENTICATED' | 'MAX_FAILED_LOGINS'>;
  /** Whether only this machine reaches the server. */
  isLoopback: boolean;
  /** Called for each request that was let in or refused. */
  audit?: {
    loggedIn(principal: Principal, address: string): void;
    /** `reason` holds no secret. */
    refused(address: string, reason: string): void;
  };
  log: Logger;
};

/** The identity that a request claims. */
type Credentials = { authorization: string | undefined; address: string };

/** Authenticates a caller by a static token, a JWT of our own or an access token of an authorization server. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #jwt: JwtVerifier | undefined;
  readonly #oidc: OidcVerifier | undefined;
  readonly #failures: RateLimiterMemory;

  constructor(options: AuthenticatorOptions) {
    const { JWT_SECRET, OIDC_ISSUER, MAX_FAILED_LOGINS } = options.config;
    this.#options = options;
    this.#jwt = JWT_SECRET === undefined ? undefined : new JwtVerifier(JWT_SECRET);
    this.#oidc =
      OIDC_ISSUER === undefined ? undefined : new OidcVerifier(OIDC_ISSUER, options.config);
    this.#failures = new RateLimiterMemory({ points: MAX_FAILED_LOGINS, duration: WINDOW_SECONDS });
  }

  /**
   * Whether callers without a token are let in as the machine's own user: only where no token was
   * ever made and no other way to authenticate is set.
   */
  get isOpen(): boolean {
    const { tokens, isLoopback, config } = this.#options;
    if (this.#jwt || this.#oidc || tokens.exist) return false;
    return isLoopback || config.ALLOW_UNAUTHENTICATED;
  }

  /** Whether there is, or ever was, a way to authenticate. */
  get canLogIn(): boolean {
    const isConfigured = this.#jwt !== undefined || this.#oidc !== undefined;
    return this.isOpen || isConfigured || this.#options.tokens.exist;
  }

  /**
   * Throws `unauthorized`, `too_many_logins` for an address that failed too often, or
   * `login_unavailable` while the authorization server does not answer.
   */
  async authenticate({ authorization, address }: Credentials): Promise<Principal> {
    if (authorization === undefined) {
      if (this.isOpen) return livePrincipal(LOCAL, () => (this.isOpen ? LOCAL : undefined));
      throw new AppError('unauthorized', 'This server requires a token.');
    }
    // A wrong token is refused even where none is required, because its sender relies on it.
    const principal = await this.#principalOf(authorization).catch((error: unknown) => {
      if (error instanceof AppError) throw error;
      this.#options.log.info({ err: error, address }, 'A token was refused');
      return undefined;
    });
    const { audit } = this.#options;
    if (principal) {
      audit?.loggedIn(principal, address);
      return principal;
    }
    await this.#countFailure(address);
    audit?.refused(address, 'The token is invalid, expired or revoked.');
    throw new AppError('unauthorized', 'The token is invalid, expired or revoked.');
  }

  /** Whether the token of a request, or the door that needs none, has been closed since it was let in. */
  isWithdrawn(authorization: string | undefined): boolean {
    if (authorization === undefined) return !this.isOpen;
    const { tokens } = this.#options;
    const token = tokenOf(authorization);
    if (tokens.isOurs(token)) return tokens.principalOf(token) === undefined;
    return expiryOf(token) * 1000 <= Date.now();
  }

  async #principalOf(authorization: string): Promise<Principal | undefined> {
    const { tokens } = this.#options;
    const token = tokenOf(authorization);
    if (tokens.isOurs(token)) return tokens.principalOf(token);
    const { alg } = decodeProtectedHeader(token);
    const verifier = alg === 'HS256' ? this.#jwt : this.#oidc;
    return verifier?.principalOf(token);
  }

  /** Valid tokens are not counted, so a caller who shares an address with an attacker gets in. */
  async #countFailure(address: string): Promise<void> {
    try {
      await this.#failures.consume(address);
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      throw new AppError('too_many_logins', 'Too many invalid tokens came from this address.', {
        cause: error,
        data: { retry_after_seconds: Math.ceil(error.msBeforeNext / 1000) },
      });
    }
  }
}

/** In seconds since the epoch; Infinity for a token that says none. */
function expiryOf(token: string): number {
  try {
    return decodeJwt(token).exp ?? Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** From Bearer, or from Basic with the token as password, as git sends it. */
function tokenOf(authorization: string): string {
  const [scheme = '', value = ''] = authorization.split(/\s+/, 2);
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return value;
    case 'basic':
      return Buffer.from(value, 'base64')
        .toString()
        .replace(/^[^:]*:/, '');
    default:
      // The message leaves the scheme out, because a token may stand in its place.
      throw new Error('the scheme is neither Bearer nor Basic');
  }
}
