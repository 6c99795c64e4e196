import { LRUCache } from 'lru-cache';
import type { AuditEntry, AuditLog } from '../../audit/audit-log.ts';
import type { EgressRecord } from '../../gateway/egress/egress-record.ts';
import type { AgentId } from '../../identity/agent-id.ts';

/** Records of one agent per minute: a retrying program must not fill the disk. */
const RECORDS = 60;
const MINUTE_MS = 60_000;
/** Agents whose minute is known: the first to be forgotten is who was silent for longest. */
const REMEMBERED = 10_000;

/** The principal, and the turn if any, for which an agent acts at a time. */
export type AuditContextOf = (
  agentId: AgentId,
  at: Date,
) => Pick<AuditEntry, 'principal' | 'sessionId' | 'turnId' | 'correlationId'>;

type Minute = { since: number; records: number; omitted: number };

/** Audits connections of agents, allowed and denied. */
export class EgressAudit {
  readonly #audit: AuditLog;
  readonly #contextOf: AuditContextOf;
  readonly #minutes = new LRUCache<AgentId, Minute>({ max: REMEMBERED });

  constructor(audit: AuditLog, contextOf: AuditContextOf) {
    this.#audit = audit;
    this.#contextOf = contextOf;
  }

  /** Records beyond the limit of a minute are counted; the next record carries their number. */
  record({
    agentId,
    startedAt,
    method,
    host,
    port,
    verdict,
    reason,
    ...moved
  }: EgressRecord): void {
    const minute = this.#minuteOf(agentId);
    if (minute.records >= RECORDS) {
      minute.omitted += 1;
      return;
    }
    minute.records += 1;
    const { omitted } = minute;
    minute.omitted = 0;
    const data = {
      ...{ outcome: verdict, reason, method, host, port },
      ...{ bytesUp: moved.bytesUp, bytesDown: moved.bytesDown },
      ...(omitted > 0 && { omitted }),
    };
    const context = this.#contextOf(agentId, startedAt);
    this.#audit.append({ type: 'egress', ...context, agentId, data });
  }

  #minuteOf(agentId: AgentId): Minute {
    const now = performance.now();
    const known = this.#minutes.get(agentId);
    if (known && now - known.since < MINUTE_MS) return known;
    const minute = { since: now, records: 0, omitted: known?.omitted ?? 0 };
    this.#minutes.set(agentId, minute);
    return minute;
  }
}
