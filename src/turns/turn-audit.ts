import type { AuditEntry, AuditLog } from '../audit/audit-log.ts';
import type { ServerRequest } from '../codex/server-requests/server-request.ts';
import { auditContextOf } from './audit-context.ts';
import type { TurnEvent } from './events/turn-event.ts';
import type { TurnRecord } from './turn.ts';

/** Appends what Codex does in turns to the audit log. */
export class TurnAudit {
  readonly #audit: AuditLog;

  constructor(audit: AuditLog) {
    this.#audit = audit;
  }

  /** The event must be bounded and redacted. */
  event(turn: TurnRecord, event: TurnEvent): void {
    const entry = entryOf(turn, event);
    if (entry) this.#append(turn, entry);
  }

  ended(turn: TurnRecord): void {
    const { tool, state, error, usage, result, createdAt, endedAt } = turn;
    const durationMs = endedAt && Math.max(0, endedAt.getTime() - createdAt.getTime());
    const data = { tool, state, code: error?.code, durationMs };
    const { cost_usd: cost } = result ?? {};
    const priced = typeof cost === 'number' && { cost };
    this.#append(turn, { type: 'turn_ended', tokens: usage, ...priced, data });
  }

  /** Codex asked for something that the policy grants without people. */
  granted(
    turn: TurnRecord,
    { kind, operation }: ServerRequest,
    by: { risk: string; policy: string },
  ) {
    this.#append(turn, { type: 'approval_granted', data: { kind, operation, ...by } });
  }

  #append(turn: TurnRecord, entry: AuditEntry): void {
    this.#audit.append({ ...auditContextOf(turn), ...entry });
  }
}

function entryOf({ tool }: TurnRecord, event: TurnEvent): AuditEntry | undefined {
  switch (event.type) {
    case 'turn_started':
      return { type: 'turn_started', data: { tool } };
    case 'command_completed': {
      const { command, exitCode, durationMs } = event;
      return { type: 'command', data: { command, exitCode, durationMs } };
    }
    case 'check_completed': {
      const { command, exitCode, durationMs, round } = event;
      return { type: 'command', data: { command, exitCode, durationMs, checkOfRound: round } };
    }
    case 'files_changed': {
      const { paths, applied, omitted } = event;
      return { type: 'file_change', data: { paths, applied, omitted } };
    }
    default:
      return undefined;
  }
}
