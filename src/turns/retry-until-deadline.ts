import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectionLost, isUnreachable } from '../agents/links/broken-turn.ts';
import type { AppError } from '../errors.ts';
import type { TurnDeadline } from './turn-deadline.ts';

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;
/** A connection that breaks so often although the engine answers is not worth another one. */
const MOST_REJOINS = 5;

type Perseverance = {
  deadline: TurnDeadline;
  /** Whether it is worth it to wait for an engine: the turn may run, or nobody could ask for it again. */
  mayAwaitEngine: () => boolean;
  /** Whether somebody else takes the turn up. */
  isOver: () => boolean;
  /** Hears before each wait why there is one. */
  onWait: (reason: AppError) => void;
};

/**
 * Does what needs a connection to an agent again and again while there is none, until the deadline.
 * Throws what was in the way if time runs out.
 */
export async function persevere<T>(
  attempt: () => Promise<T>,
  { deadline, mayAwaitEngine, isOver, onWait }: Perseverance,
): Promise<T> {
  let rejoins = 0;
  const isWorthIt = (error: AppError) =>
    isUnreachable(error) ? mayAwaitEngine() : ++rejoins <= MOST_REJOINS;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if (isOver() || !isNoConnection(error) || !isWorthIt(error)) throw error;
      onWait(error);
      await untilDeadline(deadline, waitMs, error);
    }
  }
}

/** Whether a turn failed only because nobody could see it. */
export function isNoConnection(error: unknown): error is AppError {
  return error instanceof ConnectionLost || isUnreachable(error);
}

/** Who cancels hears of that; whose time is over hears what took it. */
async function untilDeadline(
  deadline: TurnDeadline,
  waitMs: number,
  reason: AppError,
): Promise<void> {
  try {
    await deadline.race(sleep(waitMs, undefined, { ref: false }));
  } catch (ended) {
    throw deadline.isLate ? reason : ended;
  }
}
