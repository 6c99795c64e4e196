import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { AgentId } from '../../identity/agent-id.ts';
import type { RestoreRecord } from '../../snapshots/restore.ts';
import type { RestoreStore } from '../../snapshots/restore-store.ts';

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

  put({ agentId, restoreId, isNewAgent, target }: RestoreRecord): void {
    const json = target === undefined ? null : JSON.stringify(target);
    this.#put.run(agentId, restoreId, Number(isNewAgent), json);
  }

  list(): RestoreRecord[] {
    return this.#list.all().map(toRecord);
  }

  remove(agentId: AgentId): void {
    this.#remove.run(agentId);
  }
}

function toRecord(row: Record<string, SQLOutputValue>): RestoreRecord {
  return {
    agentId: String(row.agent_id),
    restoreId: String(row.restore_id),
    isNewAgent: row.begins === 1,
    ...(row.becomes !== null && { target: JSON.parse(String(row.becomes)) }),
  };
}
