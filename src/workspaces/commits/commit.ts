import { unquotePath } from '../git-quoting.ts';
import type { WorkspaceTrees } from '../workspace-trees.ts';

/** What a commit is made of. */
export type NewCommit = {
  before: WorkspaceTrees;
  after: WorkspaceTrees;
} & CommitFacts;

export type CommitFacts = {
  /** Below `refs/codex/`, such as `turns/ID`. */
  ref: string;
  /** Whether it may have been made before; then it is what was made. */
  again?: boolean;
  at: Date;
  /** Letters, digits, `_`, `.` and `-`. */
  author: string;
  message: string;
  /** Bytes of a file; larger ones stay as they were in the commit before. */
  fileLimit: number;
};

export type Commit = {
  id: string;
  /** Absent for a first one. */
  parent?: string;
  ref: string;
  /** The branch that has it now; absent if that could not be moved. */
  branch?: string;
  /** What of the change is not in it. */
  leftOut: LeftOut;
};

export type LeftOut = {
  /** Files over the limit. */
  large: string[];
  /** Files in submodules, of which only the commit is recorded. */
  inSubmodules: string[];
};

const WORK_BRANCH = 'codex/work';

/** Why there is no commit, by the word of agent-image/commits.sh. */
export const NO_COMMIT = {
  nothing: 'nothing changed that a commit could hold',
  'no-repository': 'the workspace has no repository',
  'broken-repository': 'git cannot read the repository of the workspace',
  'other-objects': 'the repository of the workspace is not one of SHA-1',
  elsewhere: 'the repository of the workspace lies outside of it',
  failed: 'git could not write it',
  done: 'the files are so already',
  gone: 'the commit is not in the repository any more',
} as const;
export type NoCommit = keyof typeof NO_COMMIT;

export type Outcome =
  | { commit: Commit }
  | { refused: NoCommit }
  | { conflicts: string[] }
  /** Files that git ignores are where others would have to be. */
  | { blocked: string[] };

/** The files as they are, as a commit of them would have them, beside HEAD. */
export type Present = {
  /** The commit; undefined if there is none. */
  head?: string;
  headTree: string;
  tree: string;
  leftOut: LeftOut;
};

const ID = '[0-9a-f]{40}';
const MADE = new RegExp(`^ok (${ID}) (${ID}|-) (yes|no) (\\S+)$`);
const PRESENT = new RegExp(`^ok (${ID}|-) (${ID}) (${ID}) (\\S+)$`);

/** What the shell of a workspace is asked; no part of it has a blank in it. */
export function commitCommand({ before, after, again, ...facts }: NewCommit): string {
  const mode = again ? 'again' : 'fresh';
  const { ref, rest } = partsOf(facts);
  return ['commit', before.files, after.files, before.meta, ref, mode, ...rest].join(' ');
}

/** `back` takes back what a commit did, `forth` does it once more. */
export function mergeCommand(way: 'back' | 'forth', commit: string, facts: CommitFacts): string {
  const { ref, rest } = partsOf(facts);
  return ['merge', way, commit, ref, ...rest].join(' ');
}

function partsOf({ ref, at, author, message, fileLimit }: CommitFacts) {
  const seconds = Math.floor(at.getTime() / 1000);
  const text = Buffer.from(message).toString('base64');
  return { ref, rest: [seconds, author, fileLimit, text] };
}

/** Undefined if it is no answer. The agent may have written it: it is bounded, and shaped. */
export function readOutcome(answer: string, ref: string): Outcome | undefined {
  const [word, detail = ''] = answer.split(' ');
  if (word === 'not' && isReason(detail)) return { refused: detail };
  if (word === 'conflict') return { conflicts: decodedLines(detail).map(unquotePath) };
  if (word === 'blocked') return { blocked: decodedLines(detail).map(unquotePath) };
  const [, id, parent, moved, notes] = MADE.exec(answer) ?? [];
  if (!id || !notes) return undefined;
  return {
    commit: {
      id,
      ref: `refs/codex/${ref}`,
      ...(parent !== '-' && { parent }),
      ...(moved === 'yes' && { branch: WORK_BRANCH }),
      leftOut: leftOutOf(notes),
    },
  };
}

export function readPresent(answer: string): Present | undefined {
  const [, head, headTree, tree, notes] = PRESENT.exec(answer) ?? [];
  if (!headTree || !tree || !notes) return undefined;
  return { ...(head !== '-' && { head }), headTree, tree, leftOut: leftOutOf(notes) };
}

function isReason(word: string): word is NoCommit {
  return Object.hasOwn(NO_COMMIT, word);
}

function leftOutOf(notes: string): LeftOut {
  const lines = decodedLines(notes);
  const named = (kind: string) =>
    lines
      .filter((line) => line.startsWith(`${kind}\t`))
      .map((line) => unquotePath(line.slice(kind.length + 1)));
  return { large: named('large'), inSubmodules: named('submodule') };
}

/** Lines in base64; the last one is dropped if it was cut. */
function decodedLines(text: string): string[] {
  if (text === '-') return [];
  return Buffer.from(text, 'base64').toString().split('\n').slice(0, -1);
}
