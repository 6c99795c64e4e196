import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { AgentId } from '../../identity/agent-id.ts';
import type { TurnRecord } from '../../turns/turn.ts';
import type { JournaledEvent, TurnQuery, TurnStore } from '../../turns/turn-store.ts';

type Row = Record<string, SQLOutputValue>;

const COLUMNS = [
  'turn_id',
  'agent_id',
  'tool',
  'state',
  'request',
  'sent',
  'result',
  'error',
  'usage',
  'idempotency_key',
  'created_at',
  'ended_at',
];

export class SqliteTurnStore implements TurnStore {
  readonly #transaction: (work: () => void) => void;
  readonly #get: StatementSync;
  readonly #byKey: StatementSync;
  readonly #put: StatementSync;
  readonly #list: StatementSync;
  readonly #count: StatementSync;
  readonly #unfinished: StatementSync;
  readonly #removeEnded: StatementSync;
  readonly #append: StatementSync;
  readonly #events: StatementSync;

  constructor(database: DatabaseSync, transaction: (work: () => void) => void) {
    const updates = COLUMNS.slice(1).map((column) => `${column} = excluded.${column}`);
    this.#transaction = transaction;
    this.#get = database.prepare('SELECT * FROM turns WHERE turn_id = ?');
    this.#byKey = database.prepare(
      'SELECT * FROM turns WHERE agent_id = ? AND idempotency_key = ?',
    );
    this.#put = database.prepare(`
      INSERT INTO turns (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})
      ON CONFLICT (turn_id) DO UPDATE SET ${updates.join(', ')}`);
    // By rowid: a clock may be set back between two calls.
    this.#list = database.prepare(`
      SELECT turns.* FROM turns JOIN agents USING (agent_id)
      WHERE (?1 IS NULL OR agent_id IN (SELECT value FROM json_each(?1)))
      AND (?2 IS NULL OR owner = ?2) AND (?3 IS NULL OR tenant = ?3)
      AND (?4 IS NULL OR turns.rowid < (SELECT rowid FROM turns WHERE turn_id = ?4))
      ORDER BY turns.rowid DESC LIMIT ?5`);
    this.#count = database.prepare('SELECT count(*) AS turns FROM turns WHERE agent_id = ?');
    this.#unfinished = database.prepare(
      'SELECT * FROM turns WHERE ended_at IS NULL ORDER BY rowid',
    );
    this.#removeEnded = database.prepare(`
      DELETE FROM turns WHERE turn_id IN (
        SELECT turn_id FROM turns WHERE ended_at < ? ORDER BY ended_at LIMIT ?
      )`);
    this.#append = database.prepare(
      'INSERT INTO turn_events (turn_id, seq, at, event) VALUES (?, ?, ?, ?)',
    );
    this.#events = database.prepare(
      'SELECT seq, at, event FROM turn_events WHERE turn_id = ? AND seq > ? ORDER BY seq LIMIT ?',
    );
  }

  get(turnId: string): TurnRecord | undefined {
    const row = this.#get.get(turnId);
    return row && toRecord(row);
  }

  findByKey(agentId: AgentId, idempotencyKey: string): TurnRecord | undefined {
    const row = this.#byKey.get(agentId, idempotencyKey);
    return row && toRecord(row);
  }

  put(turn: TurnRecord): void {
    this.#put.run(
      turn.turnId,
      turn.agentId,
      turn.tool,
      turn.state,
      JSON.stringify(turn.request),
      json(turn.sent),
      json(turn.result),
      json(turn.error),
      json(turn.usage),
      turn.request.idempotencyKey ?? null,
      turn.createdAt.getTime(),
      turn.endedAt?.getTime() ?? null,
    );
  }

  list({ agentIds, owner, tenant, before, limit }: TurnQuery): TurnRecord[] {
    return this.#list
      .all(json(agentIds), owner ?? null, tenant ?? null, before ?? null, limit)
      .map(toRecord);
  }

  count(agentId: AgentId): number {
    return Number(this.#count.get(agentId)?.turns);
  }

  unfinished(): TurnRecord[] {
    return this.#unfinished.all().map(toRecord);
  }

  removeEnded({ endedBefore, limit }: { endedBefore: Date; limit: number }): number {
    return Number(this.#removeEnded.run(endedBefore.getTime(), limit).changes);
  }

  appendEvents(turnId: string, events: readonly JournaledEvent[]): void {
    this.#transaction(() => {
      for (const { seq, at, event } of events) {
        this.#append.run(turnId, seq, at.getTime(), JSON.stringify(event));
      }
    });
  }

  events(turnId: string, { after, limit }: { after: number; limit: number }): JournaledEvent[] {
    return this.#events.all(turnId, after, limit).map((row) => ({
      seq: Number(row.seq),
      at: new Date(Number(row.at)),
      event: JSON.parse(String(row.event)),
    }));
  }
}

function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

// Rows are trusted: only this class writes them.
function toRecord(row: Row): TurnRecord {
  const agentId = String(row.agent_id);
  const tool = String(row.tool);
  return {
    turnId: String(row.turn_id),
    agentId,
    tool,
    state: String(row.state) as TurnRecord['state'],
    request: row.request === null ? { agentId, tool, args: {} } : JSON.parse(String(row.request)),
    ...parsed(row, 'sent'),
    ...parsed(row, 'result'),
    ...parsed(row, 'error'),
    ...parsed(row, 'usage'),
    createdAt: new Date(Number(row.created_at)),
    ...(row.ended_at !== null && { endedAt: new Date(Number(row.ended_at)) }),
  };
}

function parsed(row: Row, column: string): Record<string, unknown> {
  const value = row[column];
  return typeof value === 'string' ? { [column]: JSON.parse(value) } : {};
}
