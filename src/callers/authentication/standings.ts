import { LRUCache } from 'lru-cache';
import { livePrincipal, type Principal } from '../../identity/principal.ts';

/** Holders of tokens whose newest one is remembered; the one that came longest ago is dropped first. */
const REMEMBERED = 10_000;

type Claims = Readonly<Record<string, unknown>>;
type Newest = { issuedAt: number; expiresAt: number; roles: Principal['roles'] };

/**
 * The rights of now of whoever holds a JWT. A newer token of the same issuer, subject, client and limit of
 * agents that lacks a role takes it from the older ones too: the authorization server has taken it away.
 * Tokens without `sub`, `iat` or a client stand for themselves, since nothing tells whether another
 * one replaces them.
 */
export class Standings {
  readonly #newest = new LRUCache<string, Newest>({ max: REMEMBERED });

  /** The principal of a verified token, whose roles are those that the newest token has as well. */
  of(claims: Claims, principal: Principal): Principal {
    const holder = holderOf(claims, principal);
    if (holder === undefined) return principal;
    const { iat, exp } = claims;
    const issuedAt = Number(iat);
    const expiresAt = Number(exp ?? Number.POSITIVE_INFINITY);
    const { roles } = principal;
    if (issuedAt >= (this.#current(holder)?.issuedAt ?? 0)) {
      this.#newest.set(holder, { issuedAt, expiresAt, roles });
    }
    return livePrincipal(principal, () => {
      const newest = this.#current(holder)?.roles ?? roles;
      return { ...principal, roles: roles.filter((role) => newest.includes(role)) };
    });
  }

  #current(holder: string): Newest | undefined {
    const newest = this.#newest.get(holder);
    return newest && newest.expiresAt * 1000 > Date.now() ? newest : undefined;
  }
}

function holderOf({ iss, sub, iat, azp, client_id }: Claims, { id, agents }: Principal) {
  const client = azp ?? client_id;
  if (sub === undefined || client === undefined || typeof iat !== 'number') return undefined;
  return JSON.stringify([iss, id, client, agents?.toSorted()]);
}
