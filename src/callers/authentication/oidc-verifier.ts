import { createRemoteJWKSet, errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { Principal } from '../../identity/principal.ts';
import { principalOfClaims, rolesOf } from './jwt-claims.ts';
import { Standings } from './standings.ts';

/** Public keys only: with a shared key, callers could sign tokens. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'EdDSA',
];
const DISCOVERY_TIMEOUT_MS = 5_000;
const WELL_KNOWN = ['openid-configuration', 'oauth-authorization-server'];

const metadataSchema = z.object({ issuer: z.string(), jwks_uri: z.url() });

export type OidcSettings = Pick<
  Config,
  'OIDC_AUDIENCE' | 'OIDC_JWKS_URL' | 'OIDC_ROLES_CLAIM' | 'OIDC_DEFAULT_ROLE'
>;

/** Verifies access tokens with the keys that the authorization server publishes. */
export class OidcVerifier {
  readonly #issuer: string;
  readonly #settings: OidcSettings;
  readonly #standings = new Standings();
  #keys: JWTVerifyGetKey | undefined;

  constructor(issuer: string, settings: OidcSettings) {
    this.#issuer = issuer;
    this.#settings = settings;
  }

  /** Throws an error of jose or zod for an invalid token, or `login_unavailable`. */
  async principalOf(token: string): Promise<Principal> {
    const { OIDC_AUDIENCE, OIDC_ROLES_CLAIM, OIDC_DEFAULT_ROLE } = this.#settings;
    const { payload } = await jwtVerify(token, await this.#keySource(), {
      algorithms: ALGORITHMS,
      issuer: [this.#issuer, `${this.#issuer}/`],
      ...(OIDC_AUDIENCE && { audience: OIDC_AUDIENCE }),
      requiredClaims: ['sub', 'exp'],
    });
    const named = rolesOf(payload[OIDC_ROLES_CLAIM]);
    const roles = named.length > 0 ? named : [OIDC_DEFAULT_ROLE];
    // The prefix keeps these ids apart from the server's own.
    const principal = principalOfClaims(payload, { name: (sub) => `oidc:${sub}`, roles });
    return this.#standings.of(payload, principal);
  }

  async #keySource(): Promise<JWTVerifyGetKey> {
    try {
      this.#keys ??= createRemoteJWKSet(new URL(await this.#jwksUrl()));
    } catch (error) {
      throw unavailable(error);
    }
    const keys = this.#keys;
    return async (header, token) => {
      try {
        return await keys(header, token);
      } catch (error) {
        throw error instanceof errors.JWKSNoMatchingKey ? error : unavailable(error);
      }
    };
  }

  async #jwksUrl(): Promise<string> {
    const { OIDC_JWKS_URL } = this.#settings;
    if (OIDC_JWKS_URL) return OIDC_JWKS_URL;
    for (const name of WELL_KNOWN) {
      const url = `${this.#issuer}/.well-known/${name}`;
      const response = await fetch(url, { signal: AbortSignal.timeout(DISCOVERY_TIMEOUT_MS) });
      if (!response.ok) continue;
      const { issuer, jwks_uri } = metadataSchema.parse(await response.json());
      if (issuer.replace(/\/$/, '') === this.#issuer) return jwks_uri;
    }
    throw new Error(`${this.#issuer} does not publish where its keys are; set OIDC_JWKS_URL`);
  }
}

function unavailable(cause: unknown): AppError {
  return new AppError(
    'login_unavailable',
    'The keys of the authorization server could not be fetched.',
    {
      cause,
    },
  );
}
