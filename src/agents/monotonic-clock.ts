/** Milliseconds of a clock that never jumps or goes back; it may stop while the machine sleeps. */
export function monotonicNow(): number {
  return performance.now();
}

/** The monotonic time of a date; a future date, after the clock was set back, counts as now. */
export function monotonicOf(date: Date): number {
  return monotonicNow() - Math.max(0, Date.now() - date.getTime());
}

/** The date of a monotonic time. */
export function dateOfMonotonic(moment: number): Date {
  return new Date(Date.now() - (monotonicNow() - moment));
}
