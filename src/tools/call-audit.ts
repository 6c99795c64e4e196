import type { CallerAudit } from '../callers/caller-audit.ts';
import type { TurnView } from '../callers/caller-turns.ts';
import { toAppError } from '../errors.ts';
import type { Principal } from '../identity/principal.ts';
import type { Caller } from './tool.ts';

const MOST_ARGUMENTS = 40;

export type AuditOf = (principal: Principal) => Pick<CallerAudit, 'append' | 'assertWritable'>;

type Called = {
  name: string;
  args: unknown;
  call: Caller;
};

/** Audits calls: how each ended, and the names and sizes of its arguments. */
export class CallAudit {
  readonly #auditOf: AuditOf;

  constructor(auditOf: AuditOf) {
    this.#auditOf = auditOf;
  }

  /** Throws `audit_unavailable` if records are required and cannot be written. */
  assertWritable({ principal }: Caller): void {
    this.#auditOf(principal).assertWritable();
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

  async witnessSubmit(called: Called, submit: () => Promise<TurnView>): Promise<TurnView> {
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
    this.#auditOf(call.principal).append({
      type: 'call',
      agentName: named(args, 'agent_id') ?? call.defaultAgentName,
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
