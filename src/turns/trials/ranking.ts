import { z } from 'zod';
import type { TurnRecord } from '../turn.ts';

/** What of the result of a candidate counts. */
const judgedSchema = z.object({
  check: z.object({ passed: z.boolean(), rounds: z.array(z.unknown()) }).optional(),
  changes: z.array(z.object({ file: z.string(), diff: z.string() })).catch([]),
});
export type Judged = z.output<typeof judgedSchema>;

export function judged({ result }: Pick<TurnRecord, 'result'>): Judged | undefined {
  return judgedSchema.safeParse(result).data;
}

/**
 * The best first: whoever came to an end before whoever failed, with a check that passed before one
 * that did not, then whoever changed something, then fewer rounds of the check, then fewer changed
 * lines. A check that passes before any work says nothing of who did none. Equals keep their order.
 * Whether a change is good is for people to say: only what can be counted is.
 */
export function rank<T extends Pick<TurnRecord, 'result'>>(candidates: readonly T[]): T[] {
  return candidates
    .map((candidate) => ({ candidate, marks: marksOf(judged(candidate)) }))
    .sort((a, b) => compare(a.marks, b.marks))
    .map(({ candidate }) => candidate);
}

/** Lines that were added and removed, all files together. */
export function changedLines({ changes }: Judged): number {
  return changes
    .flatMap(({ diff }) => diff.split('\n'))
    .filter((line) => /^[+-]/.test(line) && !/^(\+\+\+|---) /.test(line)).length;
}

/** Smaller is better; the first that differs decides. */
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
