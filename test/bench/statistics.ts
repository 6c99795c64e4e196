/** The value below which a share of the samples lies; with few samples the nearest one. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const index = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
  return sorted[index] ?? Number.NaN;
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

/** Compares round by round where there are pairs, so that a machine that changes its speed does not count. */
export function compare(
  samples: readonly number[],
  baseline: readonly number[],
): { ratio: number; difference: number } {
  const pairs = samples.flatMap((sample, index) => {
    const other = baseline[index];
    return other === undefined ? [] : [{ sample, other }];
  });
  if (pairs.length !== samples.length || pairs.length !== baseline.length) {
    const [ours, theirs] = [median(samples), median(baseline)];
    return { ratio: ours / theirs, difference: ours - theirs };
  }
  return {
    ratio: median(pairs.map(({ sample, other }) => sample / other)),
    difference: median(pairs.map(({ sample, other }) => sample - other)),
  };
}
