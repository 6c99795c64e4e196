import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { AgentStore } from '../../agents/agent-store.ts';
import type { ThreadStore } from '../../agents/threads/thread-store.ts';
import type { WarmContainerStore } from '../../agents/warm-pool/warm-container-store.ts';
import type { ApprovalStore } from '../../approvals/approval-store.ts';
import type { EgressStore } from '../../gateway/egress/egress-store.ts';
import type { SpendingStore } from '../../gateway/spending/spending-store.ts';
import type { RestoreStore } from '../../snapshots/restore-store.ts';
import type { SnapshotStore } from '../../snapshots/snapshot-store.ts';
import type { TurnStore } from '../../turns/turn-store.ts';
import { DataDirError } from '../data-dir-error.ts';
import type { Store } from '../store.ts';
import { migrate, NewerDatabaseError } from './migrations.ts';
import { SqliteAgentStore } from './sqlite-agent-store.ts';
import { SqliteApprovalStore } from './sqlite-approval-store.ts';
import { SqliteEgressStore } from './sqlite-egress-store.ts';
import { SqliteRestoreStore } from './sqlite-restore-store.ts';
import { SqliteSnapshotStore } from './sqlite-snapshot-store.ts';
import { SqliteSpendingStore } from './sqlite-spending-store.ts';
import { SqliteThreadStore } from './sqlite-thread-store.ts';
import { SqliteTurnStore } from './sqlite-turn-store.ts';
import { SqliteWarmContainerStore } from './sqlite-warm-container-store.ts';
import { storageError, withStorageErrors } from './storage-errors.ts';

export const DATABASE_FILE = 'codex-mcp.sqlite';
/** A reader such as doctor holds the lock for a moment. */
const BUSY_TIMEOUT_MS = 1000;

/** The embedded store: one SQLite file, owned by one server at a time. */
export class SqliteStore implements Store {
  readonly installationId: string;
  readonly agents: AgentStore;
  readonly threads: ThreadStore;
  readonly turns: TurnStore;
  readonly approvals: ApprovalStore;
  readonly warmContainers: WarmContainerStore;
  readonly spending: SpendingStore;
  readonly egress: EgressStore;
  readonly snapshots: SnapshotStore;
  readonly restores: RestoreStore;
  readonly #directory: string;
  readonly #database: DatabaseSync;

  private constructor(directory: string) {
    const database = openDatabase(path.join(directory, DATABASE_FILE));
    this.#directory = directory;
    this.#database = database;
    this.installationId = readInstallationId(database);
    this.agents = withStorageErrors(new SqliteAgentStore(database));
    this.threads = withStorageErrors(new SqliteThreadStore(database));
    this.turns = withStorageErrors(new SqliteTurnStore(database, (work) => this.transaction(work)));
    this.approvals = withStorageErrors(new SqliteApprovalStore(database));
    this.warmContainers = withStorageErrors(new SqliteWarmContainerStore(database));
    this.snapshots = withStorageErrors(new SqliteSnapshotStore(database));
    this.restores = withStorageErrors(new SqliteRestoreStore(database));
    this.spending = withStorageErrors(new SqliteSpendingStore(database));
    this.egress = withStorageErrors(
      new SqliteEgressStore(database, (work) => this.transaction(work)),
    );
  }

  /** Opens or creates the database in a directory. Throws {@link DataDirError}. */
  static open(directory: string): SqliteStore {
    try {
      fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
      fs.accessSync(directory, fs.constants.W_OK);
      return new SqliteStore(directory);
    } catch (error) {
      throw new DataDirError(explain(directory, error), { cause: error });
    }
  }

  transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      // On a full disk SQLite has rolled back itself.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw storageError(error);
    }
  }

  get runtimeKind(): string | undefined {
    const row = this.#database.prepare("SELECT value FROM meta WHERE key = 'runtime'").get();
    return row && String(row.value);
  }

  setRuntimeKind(kind: string): void {
    if (kind === this.runtimeKind) return;
    this.#database
      .prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('runtime', ?)")
      .run(kind);
  }

  freeBytes(): number | undefined {
    try {
      const { bavail, bsize } = fs.statfsSync(this.#directory);
      return bavail * bsize;
    } catch {
      return undefined;
    }
  }

  close(): void {
    this.#database.close();
  }
}

function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    // The exclusive lock keeps a second server out, and ends with the process.
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    database.exec('PRAGMA foreign_keys = ON');
    migrate(database, file);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function readInstallationId(database: DatabaseSync): string {
  database
    .prepare("INSERT OR IGNORE INTO meta (key, value) VALUES ('installation_id', ?)")
    .run(randomBytes(6).toString('hex'));
  const row = database.prepare("SELECT value FROM meta WHERE key = 'installation_id'").get();
  return String(row?.value);
}

function explain(directory: string, error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof NewerDatabaseError) {
    return `DATA_DIR is "${directory}", whose database was written by a newer server: ${reason}. It was left as it is: start that server, or set another DATA_DIR.`;
  }
  if (/database is locked/.test(reason)) {
    return `DATA_DIR is "${directory}", which another running server uses. Stop it, or set another DATA_DIR.`;
  }
  if (/not a database|malformed/.test(reason)) {
    return `DATA_DIR is "${directory}", whose ${DATABASE_FILE} is damaged (${reason}). It was left as it is: restore it, or move it away.`;
  }
  return `DATA_DIR is "${directory}", which can't be used: ${reason}. Allowed: a directory that this user can write.`;
}
