import fs from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

/** Step n brings a database of version n to version n + 1. Steps are never edited, only added. */
const STEPS: readonly string[] = [
  `
  CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT;
  CREATE TABLE agents (
    agent_id TEXT PRIMARY KEY,
    thread_id TEXT,
    token_sha256 TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE turns (
    turn_id TEXT PRIMARY KEY,
    agent_id TEXT NOT NULL REFERENCES agents (agent_id) ON DELETE CASCADE,
    tool TEXT NOT NULL,
    state TEXT NOT NULL,
    error_code TEXT,
    usage TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER
  ) STRICT;
  CREATE INDEX turns_by_agent ON turns (agent_id, created_at DESC);
  CREATE INDEX turns_unfinished ON turns (state) WHERE ended_at IS NULL;
  `,
  `
  ALTER TABLE turns ADD COLUMN request TEXT;
  ALTER TABLE turns ADD COLUMN sent TEXT;
  ALTER TABLE turns ADD COLUMN result TEXT;
  ALTER TABLE turns ADD COLUMN error TEXT;
  ALTER TABLE turns ADD COLUMN idempotency_key TEXT;
  CREATE UNIQUE INDEX turns_by_key ON turns (agent_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
  CREATE TABLE turn_events (
    turn_id TEXT NOT NULL REFERENCES turns (turn_id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (turn_id, seq)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE agents ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE agents ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
  `,
  `
  CREATE TABLE slots (
    slot_id TEXT PRIMARY KEY,
    token_sha256 TEXT NOT NULL,
    ready INTEGER NOT NULL DEFAULT 0,
    agent_id TEXT UNIQUE
  ) STRICT;
  `,
  `
  CREATE TABLE threads (
    thread_id TEXT PRIMARY KEY,
    agent_id TEXT NOT NULL REFERENCES agents (agent_id) ON DELETE CASCADE,
    settings TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX threads_by_agent ON threads (agent_id, last_used_at DESC);
  CREATE INDEX agents_by_thread ON agents (thread_id);
  `,
  `
  CREATE INDEX turns_by_end ON turns (ended_at) WHERE ended_at IS NOT NULL;
  `,
  `
  ALTER TABLE agents ADD COLUMN name TEXT NOT NULL DEFAULT '';
  ALTER TABLE agents ADD COLUMN owner TEXT NOT NULL DEFAULT 'local';
  ALTER TABLE agents ADD COLUMN tenant TEXT NOT NULL DEFAULT 'default';
  UPDATE agents SET name = agent_id;
  CREATE INDEX agents_by_owner ON agents (owner);
  `,
  `
  CREATE TABLE spending (
    month TEXT NOT NULL,
    owner TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    cost_usd REAL NOT NULL,
    PRIMARY KEY (month, owner, agent_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX spending_by_agent ON spending (month, agent_id);
  `,
  `
  CREATE TABLE egress_rules (
    agent_id TEXT NOT NULL REFERENCES agents (agent_id) ON DELETE CASCADE,
    rule TEXT NOT NULL,
    effect TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (agent_id, rule)
  ) STRICT;
  CREATE TABLE egress_log (
    id INTEGER PRIMARY KEY,
    agent_id TEXT NOT NULL REFERENCES agents (agent_id) ON DELETE CASCADE,
    started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    method TEXT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    address TEXT,
    bytes_up INTEGER NOT NULL,
    bytes_down INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT
  ) STRICT;
  CREATE INDEX egress_log_by_agent ON egress_log (agent_id, id);
  `,
  `
  CREATE TABLE approvals (
    approval_id TEXT PRIMARY KEY,
    agent_id TEXT NOT NULL,
    turn_id TEXT NOT NULL REFERENCES turns (turn_id) ON DELETE CASCADE,
    request_key TEXT NOT NULL,
    tenant TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    state TEXT NOT NULL,
    details TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    UNIQUE (turn_id, request_key)
  ) STRICT;
  CREATE INDEX approvals_pending ON approvals (state) WHERE state = 'pending';
  CREATE INDEX approvals_by_tenant ON approvals (tenant);
  `,
  'ALTER TABLE agents ADD COLUMN fork_of TEXT;',
  `
  ALTER TABLE agents ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
  ALTER TABLE agents ADD COLUMN told_instructions TEXT;
  ALTER TABLE threads ADD COLUMN told_instructions TEXT;
  `,
  'ALTER TABLE agents ADD COLUMN source TEXT;',
  'ALTER TABLE agents ADD COLUMN workspace_path TEXT;',
  `
  CREATE TABLE backups (
    backup_id TEXT PRIMARY KEY,
    agent_id TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    tenant TEXT NOT NULL,
    label TEXT,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX backups_by_agent ON backups (agent_id, created_at DESC);
  `,
  `
  CREATE TABLE restores (
    agent_id TEXT PRIMARY KEY,
    restore_id TEXT NOT NULL,
    begins INTEGER NOT NULL,
    becomes TEXT
  ) STRICT;
  `,
];

/** The version of a database that is up to date. */
export const DATABASE_VERSION = STEPS.length;

/** The database was written by a newer server. */
export class NewerDatabaseError extends Error {
  override readonly name = 'NewerDatabaseError';

  constructor(version: number) {
    super(`it has version ${version}, and this server supports versions up to ${DATABASE_VERSION}`);
  }
}

/**
 * Brings the tables up to date, after a copy of the file was made as it was: `FILE.v3` of version 3.
 * Throws {@link NewerDatabaseError}, and what SQLite or the file system say; then nothing is changed.
 */
export function migrate(database: DatabaseSync, file: string): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version);
  if (version > DATABASE_VERSION) throw new NewerDatabaseError(version);
  if (version === DATABASE_VERSION) return;
  if (version > 0) copyDatabase(database, `${file}.v${version}`);
  const steps = STEPS.slice(version).join(';');
  database.exec(`BEGIN; ${steps}; PRAGMA user_version = ${DATABASE_VERSION}; COMMIT;`);
}

/** The copy is whole and on the disk when this returns. */
function copyDatabase(database: DatabaseSync, copy: string): void {
  const part = `${copy}.part`;
  fs.rmSync(part, { force: true });
  database.prepare('VACUUM INTO ?').run(part);
  const descriptor = fs.openSync(part, 'r+');
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
  fs.renameSync(part, copy);
}
