import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Slot, SlotStore } from '../../agents/warm-pool/slot-store.ts';

export class SqliteSlotStore implements SlotStore {
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

  add({ slotId, tokenSha256 }: Pick<Slot, 'slotId' | 'tokenSha256'>): void {
    this.#add.run(slotId, tokenSha256);
  }

  list(): Slot[] {
    return this.#list.all().map(toSlot);
  }

  of(agentId: string): Slot | undefined {
    const row = this.#of.get(agentId);
    return row && toSlot(row);
  }

  setReady(slotId: string, ready: boolean): void {
    this.#setReady.run(Number(ready), slotId);
  }

  claim(agentId: string): Slot | undefined {
    const row = this.#claim.get(agentId);
    return row && toSlot(row);
  }

  remove(slotId: string): void {
    this.#remove.run(slotId);
  }
}

function toSlot(row: Record<string, SQLOutputValue>): Slot {
  return {
    slotId: String(row.slot_id),
    tokenSha256: String(row.token_sha256),
    ready: row.ready === 1,
    ...(row.agent_id !== null && { agentId: String(row.agent_id) }),
  };
}
