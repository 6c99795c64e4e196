import { z } from 'zod';
import type { TurnRecord } from '../turn.ts';

/** The part of a candidate's result that is ranked. */
const judgedSchema = z.object({
  check: z.object({ passed: z.boolean(), rounds: z.array(z.unknown()) }).optional(),
  changes: z.array(z.object({ file: z.string(), diff: z.string() })).catch([]),
});
export type Judged = z.output<typeof judgedSchema>;

export function judged({ result }: Pick<TurnRecord, 'result'>): Judged | undefined {
  return judgedSchema.safeParse(result).data;
}

/**
 * Sorts candidates by what can be counted, the best first: completed, check passed, changed something,
 * fewer rounds of the check, fewer changed lines. The check of a candidate that changed nothing may
 * have passed before any work. Equal candidates keep their order.
 */
export function rank<T extends Pick<TurnRecord, 'result'>>(candidates: readonly T[]): T[] {
  return candidates
    .map((candidate) => ({ candidate, marks: marksOf(judged(candidate)) }))
    .sort((a, b) => compare(a.marks, b.marks))
    .map(({ candidate }) => candidate);
}

/** The number of added and removed lines of all files. */
export function changedLines({ changes }: Judged): number {
  return changes
    .flatMap(({ diff }) => diff.split('\n'))
    .filter((line) => /^[+-]/.test(line) && !/^(\+\+\+|---) /.test(line)).length;
}

/** Smaller is better. The first mark that differs decides. */
function marksOf(result: Judged | undefined): number[] {
  if (!result) return [1];
  const { check, changes } = result;
  const broken = check?.passed === false ? 1 : 0;
  const idle = changes.length === 0 ? 1 : 0;
  return [0, broken, idle, check?.rounds.length ?? 0, changedLines(result)];
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, mark] of a.entries()) {
    const difference = mark - (b[index] ?? mark);
    if (difference !== 0) return difference;
  }
  return 0;
}
