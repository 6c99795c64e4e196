import { parsePatch, type StructuredPatch } from 'diff';
import { AppError } from '../../../errors.ts';
import type { LineRange, ShownLines } from '../../../turns/turn-kind.ts';
import { unquotePath } from '../../../workspaces/git-quoting.ts';

/** The lines that a unified diff shows of each new file. Throws `invalid_input` for anything else. */
export function shownLines(diff: string): ShownLines {
  const shown = new Map<string, LineRange[]>();
  for (const patch of parse(diff)) {
    const file = newPath(patch);
    if (file === undefined) continue;
    const ranges = patch.hunks
      .filter(({ newLines }) => newLines > 0)
      .map(({ newStart, newLines }) => ({ first: newStart, last: newStart + newLines - 1 }));
    shown.set(file, [...(shown.get(file) ?? []), ...ranges]);
  }
  return shown;
}

function parse(diff: string): StructuredPatch[] {
  try {
    return parsePatch(diff);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new AppError('invalid_input', `The diff cannot be parsed: ${why}`, { cause });
  }
}

function newPath({ newFileName: name }: StructuredPatch): string | undefined {
  if (name === undefined || name === '/dev/null') return undefined;
  return unquotePath(name).replace(/^b\//, '');
}
