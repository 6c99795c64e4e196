import { LRUCache } from 'lru-cache';
import type { AuditEntry, AuditLog } from '../../audit/audit-log.ts';
import type { EgressRecord } from '../../gateway/egress/egress-record.ts';

/** Records of one agent in each minute: a program that tries and tries must not fill the disk. */
const RECORDS = 60;
const MINUTE_MS = 60_000;
/** Agents whose minute is known: the first to be forgotten is who was silent for longest. */
const REMEMBERED = 10_000;

/** Who has an agent do what it does at a time, and in which turn, if in one. */
export type CircumstancesOf = (
  agentId: string,
  at: Date,
) => Pick<AuditEntry, 'principal' | 'sessionId' | 'turnId' | 'correlationId'>;

type Minute = { since: number; records: number; omitted: number };

/** Has the audit tell what agents reached, and what they were denied. */
export class EgressAudit {
  readonly #audit: AuditLog;
  readonly #circumstances: CircumstancesOf;
  readonly #minutes = new LRUCache<string, Minute>({ max: REMEMBERED });

  constructor(audit: AuditLog, circumstances: CircumstancesOf) {
    this.#audit = audit;
    this.#circumstances = circumstances;
  }

  /** What goes beyond the records of a minute is counted, and told with the first of a later one. */
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
    const circumstances = this.#circumstances(agentId, startedAt);
    this.#audit.append({ type: 'egress', ...circumstances, agentId, data });
  }

  #minuteOf(agentId: string): Minute {
    const now = performance.now();
    const known = this.#minutes.get(agentId);
    if (known && now - known.since < MINUTE_MS) return known;
    const minute = { since: now, records: 0, omitted: known?.omitted ?? 0 };
    this.#minutes.set(agentId, minute);
    return minute;
  }
}
