import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import type { TokenRecord, TokenStore } from '../../callers/authentication/token-store.ts';

const FILE = 'access.sqlite';
const BUSY_MS = 5_000;

const TABLE = `
  CREATE TABLE IF NOT EXISTS tokens (
    token_id TEXT PRIMARY KEY,
    secret_sha256 TEXT NOT NULL,
    principal TEXT NOT NULL,
    tenant TEXT NOT NULL,
    roles TEXT NOT NULL,
    agents TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    last_used_at INTEGER
  ) STRICT`;

/** In a database of its own, which the command line can open beside the server. */
export class SqliteTokenStore implements TokenStore {
  readonly #database: DatabaseSync;
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #any: StatementSync;
  readonly #add: StatementSync;
  readonly #revoke: StatementSync;
  readonly #touch: StatementSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA busy_timeout = ${BUSY_MS}; ${TABLE}`);
    this.#get = database.prepare('SELECT * FROM tokens WHERE token_id = ?');
    this.#list = database.prepare('SELECT * FROM tokens ORDER BY created_at DESC, rowid DESC');
    this.#any = database.prepare('SELECT 1 FROM tokens LIMIT 1');
    this.#add = database.prepare(`
      INSERT INTO tokens
        (token_id, secret_sha256, principal, tenant, roles, agents, created_at, expires_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#revoke = database.prepare(
      'UPDATE tokens SET revoked_at = ? WHERE token_id = ? AND revoked_at IS NULL',
    );
    this.#touch = database.prepare('UPDATE tokens SET last_used_at = ? WHERE token_id = ?');
  }

  /** Opens or creates the database, which only this user can read. */
  static open(dataDir: string): SqliteTokenStore {
    fs.mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const file = path.join(dataDir, FILE);
    fs.closeSync(fs.openSync(file, 'a', 0o600));
    return new SqliteTokenStore(new DatabaseSync(file));
  }

  get(tokenId: string): TokenRecord | undefined {
    const row = this.#get.get(tokenId);
    return row && toRecord(row);
  }

  list(): TokenRecord[] {
    return this.#list.all().map(toRecord);
  }

  hasAny(): boolean {
    return this.#any.get() !== undefined;
  }

  add(token: TokenRecord): void {
    this.#add.run(
      token.tokenId,
      token.secretSha256,
      token.principal,
      token.tenant,
      JSON.stringify(token.roles),
      token.agents ? JSON.stringify(token.agents) : null,
      token.createdAt.getTime(),
      token.expiresAt?.getTime() ?? null,
    );
  }

  revoke(tokenId: string, at: Date): boolean {
    return Number(this.#revoke.run(at.getTime(), tokenId).changes) > 0;
  }

  touch(tokenId: string, usedAt: Date): void {
    this.#touch.run(usedAt.getTime(), tokenId);
  }

  close(): void {
    this.#database.close();
  }
}

function toRecord(row: Record<string, SQLOutputValue>): TokenRecord {
  return {
    tokenId: String(row.token_id),
    secretSha256: String(row.secret_sha256),
    principal: String(row.principal),
    tenant: String(row.tenant),
    roles: JSON.parse(String(row.roles)),
    ...(row.agents !== null && { agents: JSON.parse(String(row.agents)) }),
    createdAt: new Date(Number(row.created_at)),
    ...dated(row, 'expires_at', 'expiresAt'),
    ...dated(row, 'revoked_at', 'revokedAt'),
    ...dated(row, 'last_used_at', 'lastUsedAt'),
  };
}

function dated(row: Record<string, SQLOutputValue>, column: string, name: string) {
  const value = row[column];
  return value === null ? {} : { [name]: new Date(Number(value)) };
}
