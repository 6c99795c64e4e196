/** How one file differs between two snapshots. A rename is a deletion and a creation. */
export type FileChange = {
  /** Relative to the workspace. */
  file: string;
  action: 'create' | 'modify' | 'delete';
  /** Unified diff as git prints it, cut or left out if it is too long. */
  diff: string;
  /** Where the change is in the new file, such as `3-7, 12`; undefined if no line is left. */
  lineNumbers?: string;
};

/** Bytes of the diff of one file, and of all diffs together. */
export type DiffBounds = { file: number; total: number };

/** Of which diffs are told at all. */
export const FILES_LISTED = 1000;
const LINE_NUMBERS_CHARACTERS = 1000;

const QUOTED_ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', '"': '"', '\\': '\\' };

/** Splits the output of `git diff-tree -p --no-renames` into the changes of each file, of so many at most. */
export function parseDiff(text: string, bounds: DiffBounds): FileChange[] {
  const sections = text
    .split(/^(?=diff --git )/m)
    .filter((section) => section.startsWith('diff --git '))
    .slice(0, FILES_LISTED);
  let left = bounds.total;
  return sections.map((section) => {
    const change = parseSection(section, bounds.file);
    const bytes = Buffer.byteLength(change.diff);
    if (bytes > left) return { ...change, diff: leftOut(section, bounds.total) };
    left -= bytes;
    return change;
  });
}

function parseSection(section: string, maxDiffBytes: number): FileChange {
  const lineNumbers = changedLines(section);
  return {
    file: pathOf(section),
    action: actionOf(section),
    diff: cut(section, maxDiffBytes),
    ...(lineNumbers && { lineNumbers }),
  };
}

// Both names in the header are the same, as renames are not looked for: the path is half of it.
function pathOf(section: string): string {
  const header = section.slice('diff --git '.length, section.indexOf('\n'));
  const half = header.slice(0, (header.length - 1) / 2);
  return (half.startsWith('"') ? unquote(half) : half).slice('a/'.length);
}

function actionOf(section: string): FileChange['action'] {
  const [, second = ''] = section.split('\n', 2);
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
  return `... diff left out: ${bytes} bytes; all diffs have ${total} at most (MAX_DIFF_TOTAL_BYTES)\n`;
}

// Git quotes unusual names as C does, with the bytes of UTF-8 in octal.
export function unquote(quoted: string): string {
  const bytes: Buffer[] = [];
  for (const [token, octal, escaped] of quoted
    .slice(1, -1)
    .matchAll(/\\(?:([0-7]{3})|(.))|[^\\]+/g)) {
    if (octal) bytes.push(Buffer.from([Number.parseInt(octal, 8)]));
    else bytes.push(Buffer.from(escaped ? (QUOTED_ESCAPES[escaped] ?? escaped) : token));
  }
  return Buffer.concat(bytes).toString();
}
