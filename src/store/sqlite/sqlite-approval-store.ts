import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { ApprovalRecord } from '../../approvals/approval.ts';
import type { ApprovalQuery, ApprovalStore } from '../../approvals/approval-store.ts';

type Row = Record<string, SQLOutputValue>;

export class SqliteApprovalStore implements ApprovalStore {
  readonly #get: StatementSync;
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #list: StatementSync;
  readonly #pending: StatementSync;
  readonly #count: StatementSync;

  constructor(database: DatabaseSync) {
    this.#get = database.prepare('SELECT * FROM approvals WHERE approval_id = ?');
    this.#find = database.prepare('SELECT * FROM approvals WHERE turn_id = ? AND request_key = ?');
    this.#put = database.prepare(`
      INSERT INTO approvals (
        approval_id, agent_id, turn_id, request_key, tenant, requested_by, state, details,
        created_at, expires_at
      ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (approval_id) DO UPDATE SET state = excluded.state, details = excluded.details`);
    this.#list = database.prepare(`
      SELECT * FROM approvals
      WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR requested_by = ?2)
      AND (?3 IS NULL OR agent_id IN (SELECT value FROM json_each(?3)))
      AND (?4 IS NULL OR state = ?4)
      ORDER BY rowid DESC LIMIT ?5`);
    this.#pending = database.prepare(
      "SELECT * FROM approvals WHERE state = 'pending' ORDER BY rowid",
    );
    this.#count = database.prepare('SELECT count(*) AS number FROM approvals WHERE turn_id = ?');
  }

  get(approvalId: string): ApprovalRecord | undefined {
    const row = this.#get.get(approvalId);
    return row && toRecord(row);
  }

  find(turnId: string, requestKey: string): ApprovalRecord | undefined {
    const row = this.#find.get(turnId, requestKey);
    return row && toRecord(row);
  }

  put(approval: ApprovalRecord): void {
    const { approvalId, agentId, turnId, requestKey, tenant, requestedBy, state } = approval;
    const { createdAt, expiresAt, ...more } = approval;
    this.#put.run(
      ...[approvalId, agentId, turnId, requestKey, tenant, requestedBy, state],
      JSON.stringify(more),
      createdAt.getTime(),
      expiresAt.getTime(),
    );
  }

  list({ tenant, requestedBy, agentIds, state, limit }: ApprovalQuery): ApprovalRecord[] {
    const agents = agentIds ? JSON.stringify(agentIds) : null;
    return this.#list
      .all(tenant ?? null, requestedBy ?? null, agents, state ?? null, limit)
      .map(toRecord);
  }

  pending(): ApprovalRecord[] {
    return this.#pending.all().map(toRecord);
  }

  count(turnId: string): number {
    return Number(this.#count.get(turnId)?.number);
  }
}

// Rows are trusted: only this class writes them.
function toRecord(row: Row): ApprovalRecord {
  const details: ApprovalRecord = JSON.parse(String(row.details));
  return {
    ...details,
    decisions: details.decisions.map((each) => ({ ...each, at: new Date(each.at) })),
    createdAt: new Date(Number(row.created_at)),
    expiresAt: new Date(Number(row.expires_at)),
  };
}
