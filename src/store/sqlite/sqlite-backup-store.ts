import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { BackupRecord } from '../../snapshots/snapshot.ts';
import type { BackupStore } from '../../snapshots/snapshot-store.ts';

const ORDER = 'ORDER BY created_at DESC, rowid DESC';

export class SqliteBackupStore implements BackupStore {
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #listOf: StatementSync;
  readonly #add: StatementSync;
  readonly #remove: StatementSync;

  constructor(database: DatabaseSync) {
    this.#get = database.prepare('SELECT * FROM backups WHERE backup_id = ?');
    this.#list = database.prepare(`SELECT * FROM backups ${ORDER}`);
    this.#listOf = database.prepare(`SELECT * FROM backups WHERE agent_id = ? ${ORDER}`);
    this.#add = database.prepare(`
      INSERT INTO backups
        (backup_id, agent_id, name, owner, tenant, label, bytes, sha256, created_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#remove = database.prepare('DELETE FROM backups WHERE backup_id = ?');
  }

  get(backupId: string): BackupRecord | undefined {
    const row = this.#get.get(backupId);
    return row && toRecord(row);
  }

  list(agentId?: string): BackupRecord[] {
    const rows = agentId === undefined ? this.#list.all() : this.#listOf.all(agentId);
    return rows.map(toRecord);
  }

  add(backup: BackupRecord): void {
    this.#add.run(
      backup.backupId,
      backup.agentId,
      backup.name,
      backup.owner,
      backup.tenant,
      backup.label ?? null,
      backup.bytes,
      backup.sha256,
      backup.createdAt.getTime(),
    );
  }

  remove(backupId: string): void {
    this.#remove.run(backupId);
  }
}

function toRecord(row: Record<string, SQLOutputValue>): BackupRecord {
  return {
    backupId: String(row.backup_id),
    agentId: String(row.agent_id),
    name: String(row.name),
    owner: String(row.owner),
    tenant: String(row.tenant),
    ...(row.label !== null && { label: String(row.label) }),
    bytes: Number(row.bytes),
    sha256: String(row.sha256),
    createdAt: new Date(Number(row.created_at)),
  };
}
