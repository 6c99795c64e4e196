import type { Checkpoint } from '../checkpoint.ts';
import { unquotePath } from '../git-quoting.ts';

export type NewCommit = {
  before: Checkpoint;
  after: Checkpoint;
} & CommitOptions;

export type CommitOptions = {
  /** Below `refs/codex/`, such as `turns/ID`. */
  ref: string;
  /** Whether an earlier server may have made this commit; then the earlier one is returned. */
  again?: boolean;
  at: Date;
  /** Letters, digits, `_`, `.` and `-`. */
  author: string;
  message: string;
  /** Maximum bytes of a file; the commit leaves larger files as in its parent. */
  fileLimit: number;
};

export type Commit = {
  id: string;
  /** Absent for a root commit. */
  parent?: string;
  ref: string;
  /** The branch that points at it; absent if the branch could not be moved. */
  branch?: string;
  /** Changes that are not part of it. */
  leftOut: LeftOut;
};

export type LeftOut = {
  /** Files above the size limit. */
  large: string[];
  /** Files in submodules, whose commit alone is recorded. */
  inSubmodules: string[];
};

const WORK_BRANCH = 'codex/work';

/** Reasons for no commit, by the word of agent-image/commits.sh. */
export const NO_COMMIT = {
  nothing: 'nothing changed that a commit could hold',
  'no-repository': 'the workspace has no repository',
  'broken-repository': 'git cannot read the repository of the workspace',
  'other-objects': 'the repository of the workspace does not use SHA-1',
  elsewhere: 'the repository of the workspace is outside of the workspace',
  failed: 'git could not write the commit',
  done: 'the files have this state already',
  gone: 'the repository no longer has the commit',
} as const;
export type NoCommit = keyof typeof NO_COMMIT;

export type CommitOutcome =
  | { commit: Commit }
  | { refused: NoCommit }
  | { conflicts: string[] }
  /** Ignored files at paths that must be written. */
  | { blocked: string[] };

/** The present files, as a commit would record them, and HEAD. */
export type WorkingTree = {
  /** Undefined without a commit. */
  head?: string;
  headTree: string;
  tree: string;
  leftOut: LeftOut;
};

const ID = '[0-9a-f]{40}';
const MADE = new RegExp(`^ok (${ID}) (${ID}|-) (yes|no) (\\S+)$`);
const WORKING_TREE = new RegExp(`^ok (${ID}|-) (${ID}) (${ID}) (\\S+)$`);

/** A command of agent-image/workspace.sh; no argument contains a blank. */
export function commitCommand({ before, after, again, ...facts }: NewCommit): string {
  const mode = again ? 'again' : 'fresh';
  const { ref, rest } = partsOf(facts);
  return ['commit', before.files, after.files, before.meta, ref, mode, ...rest].join(' ');
}

export function mergeCommand(
  way: 'revert' | 'apply',
  commit: string,
  facts: CommitOptions,
): string {
  const { ref, rest } = partsOf(facts);
  return ['merge', way, commit, ref, ...rest].join(' ');
}

function partsOf({ ref, at, author, message, fileLimit }: CommitOptions) {
  const seconds = Math.floor(at.getTime() / 1000);
  const text = Buffer.from(message).toString('base64');
  return { ref, rest: [seconds, author, fileLimit, text] };
}

/** Undefined for an invalid answer, since the agent may have written it. */
export function readOutcome(answer: string, ref: string): CommitOutcome | undefined {
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

export function readWorkingTree(answer: string): WorkingTree | undefined {
  const [, head, headTree, tree, notes] = WORKING_TREE.exec(answer) ?? [];
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

/** Lines in base64; a last line that was cut is dropped. */
function decodedLines(text: string): string[] {
  if (text === '-') return [];
  return Buffer.from(text, 'base64').toString().split('\n').slice(0, -1);
}
