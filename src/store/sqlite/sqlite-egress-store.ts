import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { EgressRecord, EgressRuleRecord } from '../../gateway/egress/egress-record.ts';
import type { EgressStore } from '../../gateway/egress/egress-store.ts';
import type { AgentId } from '../../identity/agent-id.ts';

type Row = Record<string, SQLOutputValue>;
type Transaction = (work: () => void) => void;

export class SqliteEgressStore implements EgressStore {
  readonly #transaction: Transaction;
  readonly #putRule: StatementSync;
  readonly #removeRule: StatementSync;
  readonly #removeExpired: StatementSync;
  readonly #rules: StatementSync;
  readonly #append: StatementSync;
  readonly #forget: StatementSync;
  readonly #records: StatementSync;

  constructor(database: DatabaseSync, transaction: Transaction) {
    this.#transaction = transaction;
    this.#putRule = database.prepare(`
      INSERT OR REPLACE INTO egress_rules
        (agent_id, rule, effect, decided_by, created_at, expires_at)
      VALUES (?, ?, ?, ?, ?, ?)`);
    this.#removeRule = database.prepare('DELETE FROM egress_rules WHERE agent_id = ? AND rule = ?');
    this.#removeExpired = database.prepare(
      'DELETE FROM egress_rules WHERE agent_id = ? AND expires_at <= ?',
    );
    this.#rules = database.prepare('SELECT * FROM egress_rules WHERE agent_id = ? ORDER BY rowid');
    // A connection may end after its agent is removed.
    this.#append = database.prepare(`
      INSERT INTO egress_log (agent_id, started_at, duration_ms, method, host, port, address,
        bytes_up, bytes_down, verdict, reason)
      SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
      WHERE EXISTS (SELECT 1 FROM agents WHERE agent_id = ?1)`);
    this.#forget = database.prepare(`
      DELETE FROM egress_log WHERE agent_id = ?1 AND id <= (
        SELECT id FROM egress_log WHERE agent_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2
      )`);
    this.#records = database.prepare(
      'SELECT * FROM egress_log WHERE agent_id = ? ORDER BY id DESC LIMIT ?',
    );
  }

  putRule({ agentId, rule, effect, decidedBy, createdAt, expiresAt }: EgressRuleRecord): void {
    const times = [createdAt.getTime(), expiresAt?.getTime() ?? null];
    this.#putRule.run(agentId, rule, effect, decidedBy, ...times);
  }

  removeRule(agentId: AgentId, rule: string): boolean {
    return this.#removeRule.run(agentId, rule).changes > 0;
  }

  removeExpiredRules(agentId: AgentId, now: Date): void {
    this.#removeExpired.run(agentId, now.getTime());
  }

  rules(agentId: AgentId): EgressRuleRecord[] {
    return this.#rules.all(agentId).map(toRule);
  }

  append(records: readonly EgressRecord[], kept: number): void {
    this.#transaction(() => {
      for (const one of records) {
        const what = [one.method, one.host, one.port, one.address ?? null];
        const course = [one.bytesUp, one.bytesDown, one.verdict, one.reason ?? null];
        this.#append.run(one.agentId, one.startedAt.getTime(), one.durationMs, ...what, ...course);
      }
      for (const agentId of new Set(records.map((one) => one.agentId))) {
        this.#forget.run(agentId, kept);
      }
    });
  }

  records(agentId: AgentId, limit: number): EgressRecord[] {
    return this.#records.all(agentId, limit).map(toRecord);
  }
}

// Rows are trusted: only this class writes them.
function toRule(row: Row): EgressRuleRecord {
  return {
    agentId: String(row.agent_id),
    rule: String(row.rule),
    effect: row.effect as EgressRuleRecord['effect'],
    decidedBy: String(row.decided_by),
    createdAt: new Date(Number(row.created_at)),
    ...(row.expires_at !== null && { expiresAt: new Date(Number(row.expires_at)) }),
  };
}

function toRecord(row: Row): EgressRecord {
  return {
    agentId: String(row.agent_id),
    startedAt: new Date(Number(row.started_at)),
    durationMs: Number(row.duration_ms),
    method: String(row.method),
    host: String(row.host),
    port: Number(row.port),
    ...(row.address !== null && { address: String(row.address) }),
    bytesUp: Number(row.bytes_up),
    bytesDown: Number(row.bytes_down),
    verdict: row.verdict as EgressRecord['verdict'],
    ...(row.reason !== null && { reason: row.reason as NonNullable<EgressRecord['reason']> }),
  };
}
