import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type {
  WarmContainer,
  WarmContainerStore,
} from '../../agents/warm-pool/warm-container-store.ts';
import type { AgentId } from '../../identity/agent-id.ts';

export class SqliteWarmContainerStore implements WarmContainerStore {
  readonly #add: StatementSync;
  readonly #list: StatementSync;
  readonly #of: StatementSync;
  readonly #setReady: StatementSync;
  readonly #claim: StatementSync;
  readonly #remove: StatementSync;

  constructor(database: DatabaseSync) {
    this.#add = database.prepare('INSERT INTO slots (slot_id, token_sha256) VALUES (?, ?)');
    this.#list = database.prepare('SELECT * FROM slots ORDER BY rowid');
    this.#of = database.prepare('SELECT * FROM slots WHERE agent_id = ?');
    this.#setReady = database.prepare('UPDATE slots SET ready = ? WHERE slot_id = ?');
    this.#claim = database.prepare(`
      UPDATE slots SET agent_id = ? WHERE slot_id = (
        SELECT slot_id FROM slots WHERE ready = 1 AND agent_id IS NULL ORDER BY rowid LIMIT 1
      ) RETURNING *`);
    this.#remove = database.prepare('DELETE FROM slots WHERE slot_id = ?');
  }

  add({ id, tokenSha256 }: Pick<WarmContainer, 'id' | 'tokenSha256'>): void {
    this.#add.run(id, tokenSha256);
  }

  list(): WarmContainer[] {
    return this.#list.all().map(toWarmContainer);
  }

  of(agentId: AgentId): WarmContainer | undefined {
    const row = this.#of.get(agentId);
    return row && toWarmContainer(row);
  }

  setReady(id: string, ready: boolean): void {
    this.#setReady.run(Number(ready), id);
  }

  claim(agentId: AgentId): WarmContainer | undefined {
    const row = this.#claim.get(agentId);
    return row && toWarmContainer(row);
  }

  remove(id: string): void {
    this.#remove.run(id);
  }
}

function toWarmContainer(row: Record<string, SQLOutputValue>): WarmContainer {
  return {
    id: String(row.slot_id),
    tokenSha256: String(row.token_sha256),
    ready: row.ready === 1,
    ...(row.agent_id !== null && { agentId: String(row.agent_id) }),
  };
}
