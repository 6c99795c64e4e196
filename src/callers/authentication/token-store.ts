import type { Principal, Role } from '../../identity/principal.ts';

/** A static API token without its secret, which only the bearer knows. */
export type TokenRecord = {
  /** Names the token in lists and for revocation. The id is part of the token and not secret. */
  tokenId: string;
  /** SHA-256 of the secret, in hex. */
  secretSha256: string;
  /** Name of the principal in its tenant. */
  principal: string;
  tenant: string;
  roles: readonly Role[];
  agents?: Principal['agents'];
  createdAt: Date;
  expiresAt?: Date;
  revokedAt?: Date;
  lastUsedAt?: Date;
};

/** The tokens of a server. What the command line writes holds at once in a running server. */
export interface TokenStore {
  get(tokenId: string): TokenRecord | undefined;
  /** The newest first, revoked tokens included. */
  list(): TokenRecord[];
  /** Whether a token was ever made. */
  hasAny(): boolean;
  add(token: TokenRecord): void;
  /** Returns false for a token that does not exist or is revoked already. */
  revoke(tokenId: string, at: Date): boolean;
  touch(tokenId: string, usedAt: Date): void;
  close(): void;
}
