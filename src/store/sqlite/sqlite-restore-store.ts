import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { RestoreRecord } from '../../snapshots/restore-record.ts';
import type { RestoreStore } from '../../snapshots/snapshot-store.ts';

export class SqliteRestoreStore implements RestoreStore {
  readonly #put: StatementSync;
  readonly #list: StatementSync;
  readonly #remove: StatementSync;

  constructor(database: DatabaseSync) {
    this.#put = database.prepare(
      'INSERT OR REPLACE INTO restores (agent_id, restore_id, begins, becomes) VALUES (?, ?, ?, ?)',
    );
    this.#list = database.prepare('SELECT * FROM restores ORDER BY agent_id');
    this.#remove = database.prepare('DELETE FROM restores WHERE agent_id = ?');
  }

  put({ agentId, restoreId, begins, becomes }: RestoreRecord): void {
    const told = becomes === undefined ? null : JSON.stringify(becomes);
    this.#put.run(agentId, restoreId, Number(begins), told);
  }

  list(): RestoreRecord[] {
    return this.#list.all().map(toRecord);
  }

  remove(agentId: string): void {
    this.#remove.run(agentId);
  }
}

function toRecord(row: Record<string, SQLOutputValue>): RestoreRecord {
  return {
    agentId: String(row.agent_id),
    restoreId: String(row.restore_id),
    begins: row.begins === 1,
    ...(row.becomes !== null && { becomes: JSON.parse(String(row.becomes)) }),
  };
}
