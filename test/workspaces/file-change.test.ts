import { expect, test } from 'vitest';
import { FILES_LISTED, parseDiff } from '../../src/workspaces/file-change.ts';

const WIDE = { file: 10_000, total: 100_000 };

const DIFF = String.raw`diff --git a/lib/new file.ts b/lib/new file.ts
new file mode 100644
index 0000000..45b983b
--- /dev/null
+++ b/lib/new file.ts
@@ -0,0 +1,2 @@
+diff --git a/x b/x
+two
diff --git a/old b/old
deleted file mode 100644
index 6178079..0000000
--- a/old
+++ /dev/null
@@ -1 +0,0 @@
-b
diff --git a/main.c b/main.c
index 7898192..0f7bc76 100644
--- a/main.c
+++ b/main.c
@@ -1 +1,2 @@
 a
+c
@@ -20,3 +21 @@
-x
-y
-z
+w
diff --git "a/\303\251\t\"" "b/\303\251\t\""
new file mode 100755
index 0000000..d905d9d
Binary files /dev/null and b/x differ
`;

test('each file of a diff is told with what happened to it and where', () => {
  expect(parseDiff(DIFF, WIDE)).toMatchObject([
    { file: 'lib/new file.ts', action: 'create', lineNumbers: '1-2' },
    { file: 'old', action: 'delete' },
    { file: 'main.c', action: 'modify', lineNumbers: '1-2, 21' },
    { file: 'é\t"', action: 'create' },
  ]);
});

test('a rename is told with both names, and lines are counted', () => {
  const renamed = String.raw`diff --git a/old b/x y b/new b/x
similarity index 80%
rename from old b/x y
rename to "new\tb/x"
index 1..2 100644
--- a/old b/x y
+++ "b/new\tb/x"
@@ -1,3 +1,4 @@
 a
--- b
+++ c
+d
diff --git a/pic b/pic
index 1..2 100644
Binary files a/pic and b/pic differ
`;
  expect(parseDiff(renamed, WIDE)).toMatchObject([
    {
      ...{ file: 'new\tb/x', oldFile: 'old b/x y', action: 'rename' },
      ...{ additions: 2, deletions: 1, binary: false, cut: false },
    },
    { file: 'pic', action: 'modify', additions: 0, deletions: 0, binary: true },
  ]);
});

test('the diffs joined are the diff that git printed', () => {
  const diffs = parseDiff(DIFF, WIDE).map((change) => change.diff);
  expect(diffs.join('')).toBe(DIFF);
});

test('a diff over the bound is cut at a line, with a note', () => {
  const [first] = parseDiff(DIFF, { ...WIDE, file: 100 });
  expect(first?.diff).toMatch(
    /^diff --git .*\n\.\.\. diff cut: \d+ bytes, 100 shown \(MAX_DIFF_BYTES\)\n$/s,
  );
});

test('no text is no change', () => {
  expect(parseDiff('', WIDE)).toEqual([]);
});

test('diffs that do not fit together are left out with a note, and their files are told', () => {
  const [first, second, third] = parseDiff(DIFF, { file: 10_000, total: 300 });
  expect(first?.diff).toContain('+two');
  expect(second).toMatchObject({ file: 'old', action: 'delete' });
  expect(third?.diff).toMatch(
    /^\.\.\. diff omitted: \d+ bytes; .*300.*\(MAX_DIFF_TOTAL_BYTES\)\n$/,
  );
  expect(third).toMatchObject({ file: 'main.c', lineNumbers: '1-2, 21' });
});

test('of more files than are listed the first are told, and of many places the first', () => {
  const section = (file: string, hunks = '') =>
    `diff --git a/${file} b/${file}\nindex 1..2\n${hunks}`;
  const many = Array.from({ length: FILES_LISTED + 1 }, (_, index) => section(`f${index}`));
  expect(parseDiff(many.join(''), WIDE)).toHaveLength(1000);
  const hunks = Array.from({ length: 1000 }, (_, index) => `@@ -${index} +${index} @@\n-a\n+b\n`);
  const [change] = parseDiff(section('f', hunks.join('')), WIDE);
  expect(change?.lineNumbers).toMatch(/^0, 1, .*\d, …$/);
  expect(change?.lineNumbers?.length).toBeLessThan(1010);
});
