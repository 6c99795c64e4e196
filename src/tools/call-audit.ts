import type { AuditLog } from '../audit/audit-log.ts';
import { toAppError } from '../errors.ts';
import type { TurnRecord } from '../turns/turn.ts';
import type { Caller } from './tool.ts';

const MOST_ARGUMENTS = 40;

type Called = {
  name: string;
  args: unknown;
  call: Caller;
};

/** Audits calls: how each ended, and the names and sizes of its arguments. */
export class CallAudit {
  readonly #audit: AuditLog;

  constructor(audit: AuditLog) {
    this.#audit = audit;
  }

  assertWritable(): void {
    this.#audit.assertWritable();
  }

  async witness<T>(called: Called, run: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const duration = () => Math.round(performance.now() - startedAt);
    try {
      const result = await run();
      this.#append(called, { outcome: 'ok', durationMs: duration() }, named(result, 'turn_id'));
      return result;
    } catch (error) {
      this.#append(called, { outcome: toAppError(error).code, durationMs: duration() });
      throw error;
    }
  }

  async witnessSubmit(called: Called, submit: () => Promise<TurnRecord>): Promise<TurnRecord> {
    try {
      const turn = await submit();
      this.#append(called, { outcome: 'submitted' }, turn.turnId);
      return turn;
    } catch (error) {
      this.#append(called, { outcome: toAppError(error).code });
      throw error;
    }
  }

  #append({ name, args, call }: Called, outcome: object, turnId?: string): void {
    this.#audit.append({
      type: 'call',
      principal: call.principal,
      agentId: named(args, 'agent_id') ?? call.defaultAgentId,
      turnId: turnId ?? named(args, 'turn_id'),
      correlationId: call.correlationId,
      data: { tool: name.slice(0, 100), ...outcome, arguments: sizesOf(args) },
    });
  }
}

/** An id as the caller gave it, cut where it is too long. */
function named(args: unknown, name: string): string | undefined {
  if (typeof args !== 'object' || args === null || !(name in args)) return undefined;
  const value: unknown = Reflect.get(args, name);
  return typeof value === 'string' ? value.slice(0, 128) : undefined;
}

/** Such as `{ message: 'text of 120', paths: 'list of 3' }`: the audit keeps no contents. */
function sizesOf(args: unknown): Record<string, string> {
  if (typeof args !== 'object' || args === null) return {};
  const entries = Object.entries(args).slice(0, MOST_ARGUMENTS);
  return Object.fromEntries(entries.map(([name, value]) => [name, sizeOf(value)]));
}

function sizeOf(value: unknown): string {
  if (typeof value === 'string') return `text of ${value.length}`;
  if (Array.isArray(value)) return `list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return `object of ${Object.keys(value).length}`;
  return String(value);
}
