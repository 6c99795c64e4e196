import { AppError } from '../errors.ts';
import type { TurnRecord } from './turn.ts';
import type { TurnOutcome } from './turn-runner.ts';

/** What the tool returns: its own part, where it comes from, and a warning if it has a place for one. */
export function resultOf(
  { turnId, agentId }: TurnRecord,
  { result, threadId, durationMs, usage, costUsd }: TurnOutcome,
  notes: readonly string[],
): Record<string, unknown> {
  const origin = { agent_id: agentId, session_id: threadId, turn_id: turnId };
  const noted = notes.length > 0 && { notes };
  const priced = costUsd > 0 && { cost_usd: Number(costUsd.toFixed(6)) };
  return { ...result, ...origin, duration_ms: durationMs, usage, ...priced, ...noted };
}

/** The result of a turn that has ended, or throws why there is none. */
export function outcomeOf(record: TurnRecord): Record<string, unknown> {
  if (record.result) return record.result;
  if (!record.error) throw new AppError('turn_interrupted', 'The turn has no result.');
  const { code, message, hint: _hint, retryable: _retryable, ...data } = record.error;
  throw new AppError(code, message, { data: { ...data, turn_id: record.turnId } });
}

/** What callers of a server that stops are told. */
export function goesOn({ turnId }: TurnRecord): AppError {
  return new AppError('shutting_down', 'The server is stopping; the turn goes on without it.', {
    data: { turn_id: turnId },
  });
}
