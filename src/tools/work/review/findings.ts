import type { LineRange, ShownLines } from '../../../turns/turn-kind.ts';

/** A comment of a review, as the model gives it. */
export type Comment = { file: string; line_range: string };

const LINE_RANGE = /^\s*L?(\d{1,9})\s*(?:[-–:]\s*L?(\d{1,9})\s*)?$/;

/** Parses `12` and `12-15`; undefined for anything else. */
export function parseLineRange(text: string): LineRange | undefined {
  const [, start, end = start] = LINE_RANGE.exec(text) ?? [];
  if (start === undefined) return undefined;
  const [first, last] = [Number(start), Number(end)];
  return first >= 1 && last >= first ? { first, last } : undefined;
}

/**
 * Separates comments on reviewed lines from others, with the reason. Paths become those of the
 * reviewed files.
 */
export function placeComments<T extends Comment>(
  comments: readonly T[],
  shown: ShownLines,
): { placed: T[]; unplaced: (T & { problem: string })[] } {
  const placed: T[] = [];
  const unplaced: (T & { problem: string })[] = [];
  for (const comment of comments) {
    const file = pathOf(comment.file, shown);
    const problem = problemOf(comment, file === undefined ? undefined : shown.get(file));
    if (problem === undefined && file !== undefined) placed.push({ ...comment, file });
    else unplaced.push({ ...comment, problem: problem ?? '' });
  }
  return { placed, unplaced };
}

function problemOf(
  { line_range }: Comment,
  ranges: readonly LineRange[] | undefined,
): string | undefined {
  if (!ranges) return 'The file is not part of what was reviewed.';
  const range = parseLineRange(line_range);
  if (!range) return `"${line_range}" is neither a line nor a range of lines.`;
  // A range that overlaps the shown lines is enough.
  const overlaps = ranges.some(({ first, last }) => range.first <= last && range.last >= first);
  return overlaps ? undefined : `Lines ${line_range} are not among those reviewed.`;
}

/** Models write `./a`, `b/a` as in diffs, or an absolute path. */
function pathOf(said: string, shown: ShownLines): string | undefined {
  const candidates = [said, said.replace(/^\.\//, ''), said.replace(/^[ab]\//, '')];
  const exact = candidates.find((each) => shown.has(each));
  if (exact !== undefined) return exact;
  return said.startsWith('/')
    ? [...shown.keys()].find((file) => said.endsWith(`/${file}`))
    : undefined;
}
