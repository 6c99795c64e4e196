import type { Principal, Role } from '../../identity/principal.ts';

/** A static API token, without the secret that only its bearer knows. */
export type TokenRecord = {
  /** Names it in lists and to revoke it; part of the token, and no secret. */
  tokenId: string;
  /** SHA-256 of the secret, in hex. */
  secretSha256: string;
  /** Its name in its tenant. */
  principal: string;
  tenant: string;
  roles: readonly Role[];
  agents?: Principal['agents'];
  createdAt: Date;
  expiresAt?: Date;
  revokedAt?: Date;
  lastUsedAt?: Date;
};

/**
 * The tokens of a server. The command line writes them beside a server that runs, and what it
 * writes holds at once.
 */
export interface TokenStore {
  get(tokenId: string): TokenRecord | undefined;
  /** The newest first, revoked ones too. */
  list(): TokenRecord[];
  /** Whether there ever was one. */
  hasAny(): boolean;
  add(token: TokenRecord): void;
  /** Whether there is such a token that was not revoked yet. */
  revoke(tokenId: string, at: Date): boolean;
  touch(tokenId: string, usedAt: Date): void;
  close(): void;
}
