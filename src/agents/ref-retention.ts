/** The commit of a turn is older than the end of the turn, which a late restart may delay. */
const REF_GRACE_SECONDS = 24 * 3600;

/** The oldest commit date whose refs are kept; undefined to keep all. */
export function refsKeptSince(retentionSeconds: number, now = Date.now()): Date | undefined {
  if (retentionSeconds === 0) return undefined;
  return new Date(now - (retentionSeconds + REF_GRACE_SECONDS) * 1000);
}
