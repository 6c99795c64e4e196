import { setImmediate } from 'node:timers/promises';
import type { TurnStore } from './turn-store.ts';

/** A turn has thousands of events, and removing them blocks the event loop. */
const AT_ONCE = 20;

/** Removes turns that ended so many seconds ago, with their events. 0 keeps all. Returns how many. */
export async function forgetOldTurns(turns: TurnStore, seconds: number): Promise<number> {
  if (seconds === 0) return 0;
  const endedBefore = new Date(Date.now() - seconds * 1000);
  for (let removed = 0; ; ) {
    const batch = turns.removeEnded({ endedBefore, limit: AT_ONCE });
    removed += batch;
    if (batch < AT_ONCE) return removed;
    await setImmediate();
  }
}
