import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectionLost, isUnreachable } from '../agents/links/broken-turn.ts';
import type { AppError } from '../errors.ts';
import type { TurnDeadline } from './turn-deadline.ts';

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;
/** A connection that breaks more often although the engine answers is not opened again. */
const MAX_RECONNECTS = 5;

type RetryOptions = {
  deadline: TurnDeadline;
  /** Whether to wait for an engine that cannot be reached. */
  mayAwaitEngine: () => boolean;
  /** Whether the next server continues the turn. */
  isDetached: () => boolean;
  /** Called before each wait with the error that caused it. */
  onWait: (reason: AppError) => void;
};

/**
 * Repeats an attempt until the deadline as long as it fails for want of a connection to the agent.
 * Throws any other error, and after a time-out the error of the last attempt.
 */
export async function retryUntilDeadline<T>(
  attempt: () => Promise<T>,
  { deadline, mayAwaitEngine, isDetached, onWait }: RetryOptions,
): Promise<T> {
  let reconnects = 0;
  const mayRetry = (error: AppError) =>
    isUnreachable(error) ? mayAwaitEngine() : ++reconnects <= MAX_RECONNECTS;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if (isDetached() || !isNoConnection(error) || !mayRetry(error)) throw error;
      onWait(error);
      await deadline.race(sleep(waitMs, undefined, { ref: false })).catch((aborted: unknown) => {
        throw deadline.isLate ? error : aborted;
      });
    }
  }
}

/** Whether a turn failed only because there was no connection to its agent. */
export function isNoConnection(error: unknown): error is AppError {
  return error instanceof ConnectionLost || isUnreachable(error);
}
