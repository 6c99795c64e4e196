import { AppError } from '../../errors.ts';
import {
  type DiffBounds,
  FILES_LISTED,
  type FileChange,
  parseDiff,
  withoutLastFile,
} from '../file-change.ts';
import { DIFF_OPTIONS, type WorkspaceGit } from '../workspace-git.ts';
import {
  type CommitOptions,
  type CommitOutcome,
  commitCommand,
  mergeCommand,
  type NewCommit,
  readOutcome,
  readWorkingTree,
  type WorkingTree,
} from './commit.ts';

/** Git's empty tree: the parent tree of a root commit. */
export const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';
const COMMIT_PARENT = /^([0-9a-f]{40})(?: ([0-9a-f]{40}))?/;
const DIFF_TREE = ['diff-tree', '-r', '-p', '-M', '--no-ext-diff', '--no-textconv'];

export type DiffScope = {
  /** Files or directories; empty for all. */
  paths: readonly string[];
  contextLines: number;
};

/** Commits in the workspace of an awake agent. Commands run one after another. */
export class Commits {
  readonly #run: (command: string) => Promise<string>;
  readonly #git: WorkspaceGit;

  constructor(run: (command: string) => Promise<string>, git: WorkspaceGit) {
    this.#run = run;
    this.#git = git;
  }

  /** Commits the difference of two checkpoints. Throws `workspace_failed`. */
  async make(commit: NewCommit): Promise<CommitOutcome> {
    const answer = await this.#run(commitCommand(commit));
    return readOutcome(answer, commit.ref) ?? { refused: 'failed' };
  }

  /** Reverts a commit in the files and commits the result; all or nothing. Throws `workspace_failed`. */
  revert(id: string, facts: CommitOptions): Promise<CommitOutcome> {
    return this.#merge('revert', id, facts);
  }

  /** Applies a commit to the files and commits the result; all or nothing. Throws `workspace_failed`. */
  apply(id: string, facts: CommitOptions): Promise<CommitOutcome> {
    return this.#merge('apply', id, facts);
  }

  /** Throws `workspace_failed`. */
  async workingTree(fileLimit: number): Promise<WorkingTree> {
    const tree = readWorkingTree(await this.#run(`working-tree ${fileLimit}`));
    if (tree) return tree;
    throw new AppError('workspace_failed', 'The files of the workspace could not be recorded.');
  }

  /** The first parent of a commit, or the empty tree. Throws `commit_not_found`. */
  async parentOf(id: string): Promise<string> {
    const listed = await this.#git
      .read(['rev-list', '--parents', '--no-walk', id])
      .catch((cause: unknown) => {
        throw new AppError('commit_not_found', `The workspace no longer has the commit ${id}.`, {
          cause,
        });
      });
    const [, found, parent] = COMMIT_PARENT.exec(listed.text) ?? [];
    if (found === id) return parent ?? EMPTY_TREE;
    throw new AppError('commit_not_found', `The workspace no longer has the commit ${id}.`);
  }

  /** Resolves a revision in the repository of the workspace. Throws `commit_not_found`. */
  async find(name: string): Promise<string> {
    return this.#one(
      ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`],
      name,
    );
  }

  /** Throws `commit_not_found`. */
  async mergeBase(one: string, other: string): Promise<string> {
    const ends = await Promise.all([this.find(one), this.find(other)]);
    return this.#one(['merge-base', ...ends], `common to ${one} and ${other}`);
  }

  /** The difference of two trees or commits, with renames, and the number of files that are not listed. */
  async diff(
    from: string,
    to: string,
    { paths, contextLines, ...bounds }: DiffScope & DiffBounds,
  ): Promise<{ changes: FileChange[]; unlisted: number }> {
    if (from === to) return { changes: [], unlisted: 0 };
    const scope = [from, to, '--', ...paths];
    const diff = await this.#git.read([...withOptions(DIFF_TREE), `-U${contextLines}`, ...scope]);
    const changes = parseDiff(diff.cut ? withoutLastFile(diff.text) : diff.text, bounds);
    if (!diff.cut && changes.length < FILES_LISTED) return { changes, unlisted: 0 };
    const names = await this.#git.read([
      ...withOptions(['diff-tree', '-r', '-M', '-z', '--name-only']),
      ...scope,
    ]);
    const all = names.text.split('\0').length - 1;
    return { changes, unlisted: Math.max(0, all - changes.length) };
  }

  /** The complete difference for `git apply`, binary files included. */
  patch(from: string, to: string): AsyncIterable<Buffer> {
    return this.#git.stream([...withOptions(DIFF_TREE), '--binary', '--full-index', from, to]);
  }

  async #merge(way: 'revert' | 'apply', id: string, facts: CommitOptions): Promise<CommitOutcome> {
    const outcome = readOutcome(await this.#run(mergeCommand(way, id, facts)), facts.ref);
    if (outcome) return outcome;
    throw new AppError('workspace_failed', 'The files could not be changed.');
  }

  async #one(args: readonly string[], name: string): Promise<string> {
    const missing = (cause?: unknown) =>
      new AppError('commit_not_found', `The workspace has no commit ${name}.`, { cause });
    const found = await this.#git.readOwn(args).catch((cause: unknown) => {
      throw missing(cause);
    });
    const [id] = /^[0-9a-f]{40}$/m.exec(found.text) ?? [];
    if (id === undefined) throw missing();
    return id;
  }
}

function withOptions(command: readonly string[]): string[] {
  return ['--literal-pathspecs', ...DIFF_OPTIONS, ...command];
}
