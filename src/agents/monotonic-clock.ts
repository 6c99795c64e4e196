/**
 * Moments on a clock that nobody sets, in milliseconds: unlike the time of day it neither jumps nor
 * goes back. It may stand still while the machine sleeps.
 */
export function monotonicNow(): number {
  return performance.now();
}

/** When it was a time of day; a time that has not come yet, by a clock that was set back since, is now. */
export function monotonicOf(date: Date): number {
  return monotonicNow() - Math.max(0, Date.now() - date.getTime());
}

/** The time of day of a moment, by today's clock. */
export function dateOfMonotonic(moment: number): Date {
  return new Date(Date.now() - (monotonicNow() - moment));
}
