import type { FileChange } from './file-change.ts';

const FILES_SHOWN = 100;
const CONTROL = /\p{Cc}/gu;

type Counted = Pick<FileChange, 'file' | 'oldFile' | 'action' | 'additions' | 'deletions'> & {
  binary: boolean;
};

/** One line per file, and a summary as of git: `2 files changed, 3 insertions(+), 1 deletion(-)`. */
export function diffstat(changes: readonly Counted[], unlisted = 0): string {
  const lines = changes.slice(0, FILES_SHOWN).map(lineOf);
  const more = changes.length + unlisted - lines.length;
  if (more > 0) lines.push(` … and ${counted(more, 'more file')}`);
  const files = `${counted(changes.length + unlisted, 'file')} changed`;
  const added = counted(sum(changes, 'additions'), 'insertion');
  const deleted = counted(sum(changes, 'deletions'), 'deletion');
  return [...lines, ` ${files}, ${added}(+), ${deleted}(-)`].join('\n');
}

function lineOf({ file, oldFile, binary, additions, deletions }: Counted): string {
  const name = (oldFile === undefined ? file : `${oldFile} => ${file}`).replace(CONTROL, '?');
  return ` ${name} | ${binary ? 'binary' : `+${additions} -${deletions}`}`;
}

function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function sum(changes: readonly Counted[], field: 'additions' | 'deletions'): number {
  return changes.reduce((total, change) => total + change[field], 0);
}
