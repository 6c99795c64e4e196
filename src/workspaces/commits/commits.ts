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
  type CommitFacts,
  commitCommand,
  mergeCommand,
  type NewCommit,
  type Outcome,
  type Present,
  readOutcome,
  readPresent,
} from './commit.ts';

/** What stands for the tree before the first commit. */
export const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';
const COMMIT_PARENT = /^([0-9a-f]{40})(?: ([0-9a-f]{40}))?/;
const DIFF_TREE = ['diff-tree', '-r', '-p', '-M', '--no-ext-diff', '--no-textconv'];

export type DiffScope = {
  /** Files or directories; all if there are none. */
  paths: readonly string[];
  contextLines: number;
};

/** The commits of one agent that is awake. Each command waits for those of its workspace before it. */
export class Commits {
  readonly #ask: (command: string) => Promise<string>;
  readonly #git: WorkspaceGit;

  constructor(ask: (command: string) => Promise<string>, git: WorkspaceGit) {
    this.#ask = ask;
    this.#git = git;
  }

  /** Commits the difference of two snapshots. Throws `workspace_failed`. */
  async make(commit: NewCommit): Promise<Outcome> {
    const answer = await this.#ask(commitCommand(commit));
    return readOutcome(answer, commit.ref) ?? { refused: 'failed' };
  }

  /** Takes back in the files what a commit did, and commits that; all of it or nothing. Throws `workspace_failed`. */
  revert(id: string, facts: CommitFacts): Promise<Outcome> {
    return this.#merge('back', id, facts);
  }

  /** Does in the files what a commit did elsewhere, and commits that; all of it or nothing. Throws `workspace_failed`. */
  apply(id: string, facts: CommitFacts): Promise<Outcome> {
    return this.#merge('forth', id, facts);
  }

  /** The files as they are now. Throws `workspace_failed`. */
  async present(fileLimit: number): Promise<Present> {
    const present = readPresent(await this.#ask(`present ${fileLimit}`));
    if (present) return present;
    throw new AppError('workspace_failed', 'The files of the workspace could not be recorded.');
  }

  /** The first parent of a commit, or the empty tree. Throws `commit_not_found`. */
  async parentOf(id: string): Promise<string> {
    const listed = await this.#git
      .read(['rev-list', '--parents', '--no-walk', id])
      .catch((cause: unknown) => {
        throw new AppError('commit_not_found', `The commit ${id} is not there any more.`, {
          cause,
        });
      });
    const [, found, parent] = COMMIT_PARENT.exec(listed.text) ?? [];
    if (found === id) return parent ?? EMPTY_TREE;
    throw new AppError('commit_not_found', `The commit ${id} is not there any more.`);
  }

  /** The id of a commit by any name of it in the repository of the workspace. Throws `commit_not_found`. */
  async find(name: string): Promise<string> {
    return this.#one(
      ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`],
      name,
    );
  }

  /** Where two lines of commits parted. Throws `commit_not_found`. */
  async mergeBase(one: string, other: string): Promise<string> {
    const ends = await Promise.all([this.find(one), this.find(other)]);
    return this.#one(['merge-base', ...ends], `common to ${one} and ${other}`);
  }

  /** How two trees or commits differ, with renames; and how many files there are beyond those told of. */
  async diff(
    from: string,
    to: string,
    { paths, contextLines, ...bounds }: DiffScope & DiffBounds,
  ): Promise<{ changes: FileChange[]; unlisted: number }> {
    if (from === to) return { changes: [], unlisted: 0 };
    const scope = [from, to, '--', ...paths];
    const diff = await this.#git.read([...asked(DIFF_TREE), `-U${contextLines}`, ...scope]);
    const changes = parseDiff(diff.cut ? withoutLastFile(diff.text) : diff.text, bounds);
    if (!diff.cut && changes.length < FILES_LISTED) return { changes, unlisted: 0 };
    const names = await this.#git.read([
      ...asked(['diff-tree', '-r', '-M', '-z', '--name-only']),
      ...scope,
    ]);
    const all = names.text.split('\0').length - 1;
    return { changes, unlisted: Math.max(0, all - changes.length) };
  }

  /** The whole difference as `git apply` takes it, binary files included. */
  patch(from: string, to: string): AsyncIterable<Buffer> {
    return this.#git.stream([...asked(DIFF_TREE), '--binary', '--full-index', from, to]);
  }

  async #merge(way: 'back' | 'forth', id: string, facts: CommitFacts): Promise<Outcome> {
    const outcome = readOutcome(await this.#ask(mergeCommand(way, id, facts)), facts.ref);
    if (outcome) return outcome;
    throw new AppError('workspace_failed', 'The files could not be changed.');
  }

  async #one(args: readonly string[], name: string): Promise<string> {
    const missing = (cause?: unknown) =>
      new AppError('commit_not_found', `There is no commit ${name} in the workspace.`, { cause });
    const found = await this.#git.readOwn(args).catch((cause: unknown) => {
      throw missing(cause);
    });
    const [id] = /^[0-9a-f]{40}$/m.exec(found.text) ?? [];
    if (id === undefined) throw missing();
    return id;
  }
}

function asked(command: readonly string[]): string[] {
  return ['--literal-pathspecs', ...DIFF_OPTIONS, ...command];
}
