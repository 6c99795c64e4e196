import { setImmediate } from 'node:timers/promises';
import type { TurnStore } from '../store/store.ts';

/** A turn has thousands of events, and nothing else happens while they are removed. */
const AT_ONCE = 20;

/** The commit of a turn is older than the turn's end, and a turn may be taken up late after a restart. */
const REF_GRACE_SECONDS = 24 * 3600;

/** Since when commits of turns have their refs; undefined if all keep them. */
export function refsKeptSince(retentionSeconds: number, now = Date.now()): Date | undefined {
  if (retentionSeconds === 0) return undefined;
  return new Date(now - (retentionSeconds + REF_GRACE_SECONDS) * 1000);
}

/** Removes turns, with their events, that ended so many seconds ago; 0 keeps all. Answers how many. */
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
