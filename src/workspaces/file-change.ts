import { unquotePath } from './git-quoting.ts';

export const FILE_ACTIONS = ['create', 'modify', 'delete', 'rename'] as const;

/** The change of one file between two trees. Without rename detection, a rename is a deletion and a creation. */
export type FileChange = {
  /** Relative to the workspace. */
  file: string;
  action: (typeof FILE_ACTIONS)[number];
  /** The former path of a renamed file. */
  oldFile?: string;
  /** For a created file that is half of a rename: the path of the deleted half. */
  renamedFrom?: string;
  /** Lines. */
  additions: number;
  deletions: number;
  /** Whether git shows no lines of it. */
  binary: boolean;
  /** Unified diff of git, cut or omitted if it is too long. */
  diff: string;
  cut: boolean;
  /** Changed lines of the new file, such as `3-7, 12`; absent if no line remains. */
  lineNumbers?: string;
};

/** Bytes of the diff of one file, and of all diffs together. */
export type DiffBounds = { file: number; total: number };

/** Maximum files of one diff. */
export const FILES_LISTED = 1000;
const LINE_NUMBERS_CHARACTERS = 1000;

/** Splits the output of `git diff-tree -p` by file, up to {@link FILES_LISTED} files. */
export function parseDiff(text: string, bounds: DiffBounds): FileChange[] {
  const sections = text
    .split(/^(?=diff --git )/m)
    .filter((section) => section.startsWith('diff --git '))
    .slice(0, FILES_LISTED);
  let left = bounds.total;
  return sections.map((section) => {
    const change = parseSection(section, bounds.file);
    const bytes = Buffer.byteLength(change.diff);
    if (bytes > left) return { ...change, diff: leftOut(section, bounds.total), cut: true };
    left -= bytes;
    return change;
  });
}

/** Sets `renamedFrom` by the output of `git diff-tree -z --name-status --diff-filter=R`. */
export function withRenames(changes: readonly FileChange[], output: string): FileChange[] {
  const words = output.split('\0');
  const renames = new Map<string, string>();
  for (let at = 0; at + 2 < words.length; at += 3)
    renames.set(words[at + 2] ?? '', words[at + 1] ?? '');
  return changes.map((change) => {
    const renamedFrom = change.action === 'create' ? renames.get(change.file) : undefined;
    return renamedFrom ? { ...change, renamedFrom } : change;
  });
}

/** Drops the last, incomplete file of a diff that was cut, unless it is the only one. */
export function withoutLastFile(diff: string): string {
  const last = diff.lastIndexOf('\ndiff --git ');
  return last < 0 ? diff : diff.slice(0, last + 1);
}

function parseSection(section: string, maxDiffBytes: number): FileChange {
  const hunks = section.indexOf('\n@@ ');
  const header = hunks < 0 ? section : section.slice(0, hunks + 1);
  const body = hunks < 0 ? '' : section.slice(hunks);
  const lineNumbers = changedLines(section);
  const oldFile = renamedFrom(header);
  return {
    file: pathOf(header),
    action: oldFile === undefined ? actionOf(header) : 'rename',
    ...(oldFile !== undefined && { oldFile }),
    additions: count(body, /^\+/gm),
    deletions: count(body, /^-/gm),
    binary: /^(Binary files |GIT binary patch$)/m.test(header),
    diff: cut(section, maxDiffBytes),
    cut: Buffer.byteLength(section) > maxDiffBytes,
    ...(lineNumbers && { lineNumbers }),
  };
}

function count(text: string, pattern: RegExp): number {
  let found = 0;
  for (const _ of text.matchAll(pattern)) found += 1;
  return found;
}

function renamedFrom(header: string): string | undefined {
  const [, from] = /^rename from (.*)$/m.exec(header) ?? [];
  return from === undefined ? undefined : unquotePath(from);
}

// Without a rename, both paths in the header are equal: each one is half of it.
function pathOf(header: string): string {
  const [, to] = /^rename to (.*)$/m.exec(header) ?? [];
  if (to !== undefined) return unquotePath(to);
  const names = header.slice('diff --git '.length, header.indexOf('\n'));
  return unquotePath(names.slice(0, (names.length - 1) / 2)).slice('a/'.length);
}

function actionOf(header: string): FileChange['action'] {
  const [, second = ''] = header.split('\n', 2);
  if (second.startsWith('new file mode')) return 'create';
  if (second.startsWith('deleted file mode')) return 'delete';
  return 'modify';
}

function changedLines(section: string): string | undefined {
  const hunks = section.matchAll(/^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@/gm);
  const ranges = [...hunks].flatMap(([, start, count = '1']) => {
    const first = Number(start);
    const length = Number(count);
    if (length === 0) return [];
    return [length === 1 ? `${first}` : `${first}-${first + length - 1}`];
  });
  const text = ranges.join(', ');
  if (text.length <= LINE_NUMBERS_CHARACTERS) return text || undefined;
  return `${text.slice(0, text.lastIndexOf(', ', LINE_NUMBERS_CHARACTERS))}, …`;
}

function cut(diff: string, maxBytes: number): string {
  const bytes = Buffer.from(diff);
  if (bytes.length <= maxBytes) return diff;
  const kept = bytes
    .subarray(0, maxBytes)
    .toString()
    .replace(/\n[^\n]*$/, '\n');
  return `${kept}... diff cut: ${bytes.length} bytes, ${maxBytes} shown (MAX_DIFF_BYTES)\n`;
}

function leftOut(section: string, total: number): string {
  const bytes = Buffer.byteLength(section);
  return `... diff omitted: ${bytes} bytes; the limit for all diffs is ${total} (MAX_DIFF_TOTAL_BYTES)\n`;
}
