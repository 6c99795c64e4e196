import { jwtVerify } from 'jose';
import type { Principal } from '../../identity/principal.ts';
import { principalOfClaims, rolesOf } from './jwt-claims.ts';
import { Standings } from './standings.ts';

/** Verifies tokens that were signed by HS256 with `JWT_SECRET`. */
export class JwtVerifier {
  readonly #secret: Uint8Array;
  readonly #standings = new Standings();

  constructor(secret: string) {
    this.#secret = new TextEncoder().encode(secret);
  }

  /** Throws an error of jose or zod for an invalid token. */
  async principalOf(token: string): Promise<Principal> {
    const { payload } = await jwtVerify(token, this.#secret, { algorithms: ['HS256'] });
    const roles = rolesOf(payload.role, payload.roles);
    const principal = principalOfClaims(payload, { name: (sub) => sub ?? 'jwt', roles });
    return this.#standings.of(payload, principal);
  }
}
