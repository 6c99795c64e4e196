import { jwtVerify } from 'jose';
import type { Principal } from '../../identity/principal.ts';
import { principalOfClaims, rolesOf } from './jwt-claims.ts';

/** Tokens that whoever knows `JWT_SECRET` signs, with HS256. */
export class JwtVerifier {
  readonly #secret: Uint8Array;

  constructor(secret: string) {
    this.#secret = new TextEncoder().encode(secret);
  }

  /** Throws an error of jose or zod that says what is wrong with the token. */
  async principalOf(token: string): Promise<Principal> {
    const { payload } = await jwtVerify(token, this.#secret, { algorithms: ['HS256'] });
    const roles = rolesOf(payload.role, payload.roles);
    return principalOfClaims(payload, { name: (sub) => sub ?? 'jwt', roles });
  }
}
