import { LRUCache } from 'lru-cache';
import { type AuditLog, SERVER } from '../../audit/audit-log.ts';
import type { TokenRecord, TokenStore } from '../../callers/authentication/token-store.ts';
import { type Principal, principalId } from '../../identity/principal.ts';

/** How often the server looks for tokens that the command line wrote. */
const POLL_INTERVAL_MS = 10_000;
/** Callers that are remembered. */
const REMEMBERED = 10_000;

/** Audits logins, refused logins, and created and revoked tokens. */
export class AccessAudit {
  readonly #audit: AuditLog;
  readonly #tokens: TokenStore;
  readonly #seen = new LRUCache<string, true>({ max: REMEMBERED });
  readonly #timer: NodeJS.Timeout;
  #known: ReadonlyMap<string, boolean>;

  constructor(audit: AuditLog, tokens: TokenStore) {
    this.#audit = audit;
    this.#tokens = tokens;
    this.#known = stateOf(tokens.list());
    this.#timer = setInterval(() => this.poll(), POLL_INTERVAL_MS).unref();
  }

  /** Audits the first call of each caller since the server started: every call has a record of its own. */
  loggedIn(principal: Principal, address: string): void {
    const key = `${principal.tenant}\n${principal.id}\n${principal.roles.join()}`;
    if (this.#seen.get(key)) return;
    this.#seen.set(key, true);
    this.#audit.append({ type: 'login', principal, data: { roles: principal.roles, address } });
  }

  /** `reason` must hold no secret. */
  refused(address: string, reason: string): void {
    this.#audit.append({ type: 'login_failed', principal: SERVER, data: { address, reason } });
  }

  /** Audits tokens that were created or revoked since the last poll. */
  poll(): void {
    const records = this.#tokens.list();
    for (const { tokenId, principal: name, tenant, roles, revokedAt } of records) {
      const wasRevoked = this.#known.get(tokenId);
      const principal = { id: principalId(name, tenant), tenant };
      const data = { tokenId, roles };
      if (wasRevoked === undefined) this.#audit.append({ type: 'token_created', principal, data });
      if (revokedAt && !wasRevoked) this.#audit.append({ type: 'token_revoked', principal, data });
    }
    this.#known = stateOf(records);
  }

  close(): void {
    clearInterval(this.#timer);
    this.poll();
  }
}

function stateOf(records: readonly TokenRecord[]): ReadonlyMap<string, boolean> {
  return new Map(records.map(({ tokenId, revokedAt }) => [tokenId, revokedAt !== undefined]));
}
