/** The commit of a turn is older than the turn's end, and a turn may be taken up late after a restart. */
const REF_GRACE_SECONDS = 24 * 3600;

/** Since when commits of turns have their refs; undefined if all keep them. */
export function refsKeptSince(retentionSeconds: number, now = Date.now()): Date | undefined {
  if (retentionSeconds === 0) return undefined;
  return new Date(now - (retentionSeconds + REF_GRACE_SECONDS) * 1000);
}
