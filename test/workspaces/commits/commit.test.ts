import { expect, test } from 'vitest';
import {
  commitCommand,
  mergeCommand,
  readOutcome,
  readWorkingTree,
} from '../../../src/workspaces/commits/commit.ts';
import { diffstat } from '../../../src/workspaces/diffstat.ts';

const ID = 'a'.repeat(40);
const PARENT = 'b'.repeat(40);
const FACTS = {
  ref: 'turns/t-1',
  at: new Date(1_700_000_000_999),
  author: 'alice',
  message: 'Do it; $(rm -rf /) *\n\nBody\n',
  fileLimit: 1024,
};

test('a command is words without blanks or wildcards, whatever the message says', () => {
  const before = { files: 'f1', meta: 'm1', ticks: '1' };
  const after = { files: 'f2', meta: 'm2', ticks: '2' };
  const words = commitCommand({ before, after, again: true, ...FACTS }).split(' ');
  expect(words.slice(0, 9)).toEqual(
    'commit f1 f2 m1 turns/t-1 again 1700000000 alice 1024'.split(' '),
  );
  expect(words).toHaveLength(10);
  expect(words[9]).toMatch(/^[A-Za-z0-9+/]+=*$/);
  expect(Buffer.from(words[9] ?? '', 'base64').toString()).toBe(FACTS.message);
  expect(mergeCommand('revert', ID, FACTS)).toMatch(
    new RegExp(`^merge revert ${ID} turns/t-1 1700000000 alice 1024 \\S+$`),
  );
});

test('an answer is a commit with what is left out of it', () => {
  const notes = Buffer.from('large\tbig\nlarge\t"\\303\\251\\n"\nsubmodule\tsub/x\nlarge\tcu');
  expect(readOutcome(`ok ${ID} ${PARENT} yes ${notes.toString('base64')}`, 'turns/t')).toEqual({
    commit: {
      ...{ id: ID, parent: PARENT, ref: 'refs/codex/turns/t', branch: 'codex/work' },
      leftOut: { large: ['big', 'é\n'], inSubmodules: ['sub/x'] },
    },
  });
  expect(readOutcome(`ok ${ID} - no -`, 'turns/t')).toEqual({
    commit: { id: ID, ref: 'refs/codex/turns/t', leftOut: { large: [], inSubmodules: [] } },
  });
});

test('an answer is a reason, or names of files, or nothing that anybody believes', () => {
  expect(readOutcome('not other-objects', 'x')).toEqual({ refused: 'other-objects' });
  const names = Buffer.from('a\n"b\\tc"\n').toString('base64');
  expect(readOutcome(`conflict ${names}`, 'x')).toEqual({ conflicts: ['a', 'b\tc'] });
  for (const odd of ['failed', 'not constructor', `ok ${ID}`, `ok ${ID} x yes -`, 'ok', '']) {
    expect(readOutcome(odd, 'x')).toBeUndefined();
  }
  expect(readWorkingTree(`ok - ${ID} ${PARENT} -`)).toMatchObject({ headTree: ID, tree: PARENT });
  expect(readWorkingTree('failed')).toBeUndefined();
});

test('a diffstat has a line for each file and one for all', () => {
  const none = { additions: 0, deletions: 0, binary: false };
  expect(
    diffstat(
      [
        { ...none, file: 'a\nb', action: 'create', additions: 1 },
        { ...none, file: 'new', oldFile: 'old', action: 'rename', deletions: 2 },
        { ...none, file: 'pic', action: 'modify', binary: true },
      ],
      2,
    ),
  ).toBe(
    [
      ' a?b | +1 -0',
      ' old => new | +0 -2',
      ' pic | binary',
      ' … and 2 more files',
      ' 5 files changed, 1 insertion(+), 2 deletions(-)',
    ].join('\n'),
  );
});
