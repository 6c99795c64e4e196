import { describe, expect, test } from 'vitest';
import { shownLines } from '../../../../src/tools/work/review/diff-lines.ts';
import { parseLineRange, placeComments } from '../../../../src/tools/work/review/findings.ts';
import { sarifOf } from '../../../../src/tools/work/review/sarif.ts';

const DIFF = `diff --git a/src/a.ts b/src/a.ts
index 1111111..2222222 100644
--- a/src/a.ts
+++ b/src/a.ts
@@ -1,3 +1,4 @@
 one
+two
 three
--- not a header, but a line that was removed
+++ not a header, but a line that was added
@@ -20 +22,2 @@ function x() {
-old
+new
+new
diff --git a/gone.ts b/gone.ts
deleted file mode 100644
--- a/gone.ts
+++ /dev/null
@@ -1,2 +0,0 @@
-one
-two
diff --git "a/with \\"quotes\\".txt" "b/with \\"quotes\\".txt"
--- /dev/null
+++ "b/with \\"quotes\\".txt"
@@ -0,0 +1 @@
+x
\\ No newline at end of file
diff --git a/image.png b/image.png
Binary files a/image.png and b/image.png differ
`;

test('the lines that a diff shows', () => {
  expect([...shownLines(DIFF)]).toEqual([
    [
      'src/a.ts',
      [
        { first: 1, last: 4 },
        { first: 22, last: 23 },
      ],
    ],
    ['with "quotes".txt', [{ first: 1, last: 1 }]],
    ['image.png', []],
  ]);
});

test('a diff that is not of git', () => {
  const diff = '--- old/x.c\t2026-01-01\n+++ new/x.c\t2026-01-02\n@@ -1 +1 @@\n-a\n+b\n';
  expect([...shownLines(diff).keys()]).toEqual(['new/x.c']);
});

describe('line ranges', () => {
  test.each([
    ['12', { first: 12, last: 12 }],
    ['12-15', { first: 12, last: 15 }],
    ['L3–L4', { first: 3, last: 4 }],
    ['0', undefined],
    ['9-2', undefined],
    ['whole file', undefined],
    ['1-2, 5', undefined],
  ])('%s', (text, range) => {
    expect(parseLineRange(text)).toEqual(range);
  });
});

test('only comments on lines that were there to be reviewed stay', () => {
  const at = (file: string, line_range: string) => ({ file, line_range });
  const { placed, unplaced } = placeComments(
    [
      at('src/a.ts', '2'),
      at('./src/a.ts', '4-30'),
      at('/workspace/src/a.ts', '23'),
      at('b/src/a.ts', '22'),
      at('src/a.ts', '10-12'),
      at('src/a.ts', 'everywhere'),
      at('gone.ts', '1'),
      at('made/up.ts', '1'),
    ],
    shownLines(DIFF),
  );
  expect(placed.map(({ file, line_range }) => `${file}:${line_range}`)).toEqual([
    'src/a.ts:2',
    'src/a.ts:4-30',
    'src/a.ts:23',
    'src/a.ts:22',
  ]);
  expect(unplaced.map(({ file, problem }) => [file, problem])).toEqual([
    ['src/a.ts', 'Lines 10-12 are not among those reviewed.'],
    ['src/a.ts', '"everywhere" is neither a line nor a range of lines.'],
    ['gone.ts', 'The file is not part of what was reviewed.'],
    ['made/up.ts', 'The file is not part of what was reviewed.'],
  ]);
});

test('findings as SARIF', () => {
  const finding = {
    file: 'src/a b.ts',
    line_range: '2-3',
    severity: 'critical',
    category: 'Security: SQL',
    message: 'Bad.',
    suggestion: 'Bind it.',
  } as const;
  const { runs } = sarifOf([finding, { ...finding, category: 'security sql', severity: 'info' }], {
    version: '1.0.0',
    turnId: 't1',
  });
  expect(runs[0]?.tool.driver.rules).toEqual([
    { id: 'security-sql', shortDescription: { text: 'security sql' } },
  ]);
  expect(runs[0]?.results).toMatchObject([
    {
      ruleId: 'security-sql',
      ruleIndex: 0,
      level: 'error',
      message: { text: 'Bad.\n\nBind it.' },
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: 'src/a%20b.ts' },
            region: { startLine: 2, endLine: 3 },
          },
        },
      ],
    },
    { level: 'note' },
  ]);
});
