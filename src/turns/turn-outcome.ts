import { AppError, reportError, toAppError } from '../errors.ts';
import type { TokenUsage } from '../gateway/spending/token-usage.ts';
import { endStateOf, type TurnRecord } from './turn.ts';

/** What a successful attempt of a turn returns. */
export type TurnOutcome = {
  threadId: string;
  /** The kind's own part of the result, and the summary of the changes. */
  result: Record<string, unknown>;
  usage: TokenUsage;
  /** 0 for a model without a known price. */
  costUsd: number;
  durationMs: number;
};

/** How a turn ended, in its record. */
export type TurnEnd = Pick<TurnRecord, 'state' | 'result' | 'error' | 'usage'>;

/** Returns what the tool returns: the kind's own part, the origin of the result, and `notes` if there are any. */
export function completed(
  { turnId, agentId }: TurnRecord,
  { result, threadId, durationMs, usage, costUsd }: TurnOutcome,
  notes: readonly string[],
): TurnEnd {
  const origin = { agent_id: agentId, session_id: threadId, turn_id: turnId };
  const noted = notes.length > 0 && { notes };
  const priced = costUsd > 0 && { cost_usd: Number(costUsd.toFixed(6)) };
  return {
    state: 'completed',
    result: { ...result, ...origin, duration_ms: durationMs, usage, ...priced, ...noted },
    usage,
  };
}

export function failed(error: unknown): TurnEnd {
  return { state: endStateOf(toAppError(error).code), error: reportError(error) };
}

/** Returns the result of a turn that has ended. Throws the error of a turn that has none. */
export function outcomeOf(record: Omit<TurnRecord, 'agentId'>): Record<string, unknown> {
  if (record.result) return record.result;
  if (!record.error) throw new AppError('turn_interrupted', 'The turn has no result.');
  const { code, message, hint: _hint, retryable: _retryable, ...data } = record.error;
  throw new AppError(code, message, { data: { ...data, turn_id: record.turnId } });
}

/** For callers that wait for a turn while the server stops. */
export function detachedError({ turnId }: TurnRecord): AppError {
  return new AppError('shutting_down', 'The server is stopping; the turn goes on without it.', {
    data: { turn_id: turnId },
  });
}
