import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { AgentId } from '../../identity/agent-id.ts';
import type { SnapshotRecord } from '../../snapshots/snapshot.ts';
import type { SnapshotStore } from '../../snapshots/snapshot-store.ts';

const ORDER = 'ORDER BY created_at DESC, rowid DESC';

export class SqliteSnapshotStore implements SnapshotStore {
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

  get(snapshotId: string): SnapshotRecord | undefined {
    const row = this.#get.get(snapshotId);
    return row && toRecord(row);
  }

  list(agentId?: AgentId): SnapshotRecord[] {
    const rows = agentId === undefined ? this.#list.all() : this.#listOf.all(agentId);
    return rows.map(toRecord);
  }

  add(snapshot: SnapshotRecord): void {
    this.#add.run(
      snapshot.snapshotId,
      snapshot.agentId,
      snapshot.name,
      snapshot.owner,
      snapshot.tenant,
      snapshot.label ?? null,
      snapshot.bytes,
      snapshot.sha256,
      snapshot.createdAt.getTime(),
    );
  }

  remove(snapshotId: string): void {
    this.#remove.run(snapshotId);
  }
}

function toRecord(row: Record<string, SQLOutputValue>): SnapshotRecord {
  return {
    snapshotId: String(row.backup_id),
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
