import path from 'node:path';
import PQueue from 'p-queue';
import type { Logger } from 'pino';
import { AppError } from '../errors.ts';
import type { ContainerProcess, ContainerRuntime } from '../runtime/container-runtime.ts';
import { readAtMost } from '../runtime/read-at-most.ts';
import { Commits } from './commits/commits.ts';
import { saysNoRoom } from './disk-full.ts';
import {
  type DiffBounds,
  FILES_LISTED,
  type FileChange,
  parseDiff,
  withoutLastFile,
  withRenames,
} from './file-change.ts';
import { PLACE, stagingEnvironment } from './transfers/staging.ts';
import { DIFF_OPTIONS, WorkspaceGit } from './workspace-git.ts';
import { WorkspaceShell } from './workspace-shell.ts';
import type { WorkspaceTrees } from './workspace-trees.ts';

export type TidyBounds = { keptSince: Date | undefined; looseObjects: number };

const SNAPSHOT_DIRECTORY = '.workspace-snapshots';
const HOOK_DIRECTORY = '.workspace-hooks';
const SNAPSHOT = /^ok ([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (\d+)$/;
/** Far more than any snapshot takes: an agent that stopped the shell has it wait for ever. */
const ANSWER_LIMIT_MS = 600_000;
/** Of paths in one command; an argument list may have megabytes, with the environment. */
const ARGUMENT_BYTES = 128 * 1024;
const NAMES_MISSING =
  'for path; do [ -e "./$path" ] || [ -L "./$path" ] || printf "%s\\0" "$path"; done';
/** Git touches its index when somebody only looks: no change of the user's. */
const NOT_A_CHANGE = new Set(['.git/index']);

type WorkspaceOptions = {
  runtime: ContainerRuntime;
  agentId: string;
  env: { WORKSPACE: string; SNAPSHOTS: string; HOOKS: string; STAGING: string; PLACE: string };
  answerLimitMs: number;
  log: Logger;
};

/** The files of one agent while it is awake. Commands run one after another. */
export class Workspace {
  /** Its turns as commits. */
  readonly commits: Commits;
  readonly #options: WorkspaceOptions;
  readonly #git: WorkspaceGit;
  readonly #commands = new PQueue({ concurrency: 1 });
  #shell: WorkspaceShell;
  #closed = false;

  private constructor(options: WorkspaceOptions, shell: WorkspaceShell) {
    this.#options = options;
    this.#shell = shell;
    this.#git = new WorkspaceGit(options);
    this.commits = new Commits((command) => this.#ask(command), this.#git);
  }

  static async open(
    runtime: ContainerRuntime,
    agentId: string,
    log: Logger,
    { answerLimitMs = ANSWER_LIMIT_MS } = {},
  ): Promise<Workspace> {
    const { home } = runtime.layout(agentId);
    const env = {
      ...stagingEnvironment(runtime, agentId),
      SNAPSHOTS: path.posix.join(home, SNAPSHOT_DIRECTORY),
      HOOKS: path.posix.join(home, HOOK_DIRECTORY),
      PLACE,
    };
    const options = { runtime, agentId, env, answerLimitMs, log };
    return new Workspace(options, await WorkspaceShell.open(options));
  }

  /** Where hooks of the server may stand: no directory of the user's. */
  get hooks(): string {
    return this.#options.env.HOOKS;
  }

  /** Resolves when what an earlier server left half done is carried out or gone. */
  async ready(): Promise<void> {
    if ((await this.#ask('ready')) !== 'ok') throw this.#failure('The workspace is not in order.');
  }

  async snapshot(): Promise<WorkspaceTrees> {
    const [, files, meta, ticks] = SNAPSHOT.exec(await this.#ask('snapshot')) ?? [];
    if (files && meta && ticks) return { files, meta, ticks };
    throw this.#failure('The files of the workspace could not be recorded.');
  }

  /** Brings all files back to how they were. */
  async restore(snapshot: WorkspaceTrees): Promise<void> {
    const answer = await this.#ask(`restore ${snapshot.files} ${snapshot.meta}`);
    if (answer !== 'ok') throw this.#failure('The files of the workspace could not be put back.');
  }

  /** Kills what was started since a snapshot and still runs, daemons included. */
  async killStartedSince({ ticks }: WorkspaceTrees): Promise<void> {
    const answer = await this.#ask(`kill ${ticks}`);
    if (answer !== 'ok') throw this.#failure('Processes of the turn could not be killed.');
  }

  /** Drops all snapshots but the last. No turn may be under way, which needs the one before it. */
  async packSnapshots(): Promise<void> {
    const answer = await this.#ask('pack');
    if (answer !== 'ok') throw this.#failure('The snapshots of the workspace could not be packed.');
  }

  /**
   * Forgets refs of turns that were committed before a time, if given, and packs the repositories that
   * have so many loose objects; all snapshots but the last may go. No turn may be under way.
   */
  async tidy({ keptSince, looseObjects }: TidyBounds): Promise<void> {
    const since = keptSince ? Math.floor(keptSince.getTime() / 1000) : 0;
    const answer = await this.#ask(`tidy ${since} ${looseObjects}`);
    if (answer !== 'ok') throw this.#failure('The repositories could not be tidied.');
  }

  /**
   * How the files differ, those of `.git` left out; and how many there are beyond those told of.
   * Only those `among` some count, if given.
   */
  async changesBetween(
    from: WorkspaceTrees,
    to: WorkspaceTrees,
    bounds: DiffBounds,
    among?: ReadonlySet<string>,
  ): Promise<{ changes: FileChange[]; unlisted: number }> {
    if (from.files === to.files) return { changes: [], unlisted: 0 };
    if (!among) return this.#changesWithRenames(from.files, to.files, bounds);
    const names = await this.#changedNames(from.files, to.files);
    const counted = names.filter((name) => among.has(name));
    const asked = asArguments(counted);
    if (asked.length === 0) return { changes: [], unlisted: counted.length };
    const { changes } = await this.#changes(from.files, to.files, bounds, ['--', ...asked]);
    return { changes, unlisted: counted.length - changes.length };
  }

  /** The paths of all files that differ, those of `.git` included. */
  async pathsChangedBetween(from: WorkspaceTrees, to: WorkspaceTrees): Promise<string[]> {
    const [files, meta] = await Promise.all([
      this.#changedNames(from.files, to.files),
      this.#changedNames(from.meta, to.meta),
    ]);
    const inGit = meta.map((name) => `.git/${name}`).filter((name) => !NOT_A_CHANGE.has(name));
    return [...files, ...inGit];
  }

  /**
   * Which of some paths, relative to the workspace, are not there. Of more than a command can be given
   * the first are looked for.
   */
  async missing(paths: readonly string[]): Promise<string[]> {
    const { runtime, agentId, env } = this.#options;
    const asked = asArguments(paths);
    const process = await runtime.exec(agentId, ['sh', '-c', NAMES_MISSING, 'sh', ...asked], {
      cwd: env.WORKSPACE,
    });
    process.stderr.resume();
    const said = await readAtMost(process.stdio, ARGUMENT_BYTES);
    const names = new Set(said.toString().split('\0'));
    return asked.filter((path) => names.has(path));
  }

  /** Runs a program, which knows by its environment where the files are (`WORKSPACE`). */
  exec(command: readonly string[], env: Record<string, string>): Promise<ContainerProcess> {
    const { runtime, agentId, env: own } = this.#options;
    return runtime.exec(agentId, command, { env: { ...own, ...env } });
  }

  close(): void {
    this.#closed = true;
    this.#shell.close();
  }

  /** A diff with renames does not show what is in a file, and callers look for both ends of one. */
  async #changesWithRenames(from: string, to: string, bounds: DiffBounds) {
    const { changes, unlisted } = await this.#changes(from, to, bounds);
    const has = (action: FileChange['action']) => changes.some((each) => each.action === action);
    if (!has('create') || !has('delete')) return { changes, unlisted };
    const renames = await this.#git.read([...DIFF_OPTIONS, ...RENAMES, from, to]);
    return { changes: withRenames(changes, renames.text), unlisted };
  }

  async #changes(
    from: string,
    to: string,
    bounds: DiffBounds,
    paths: string[] = [],
  ): Promise<{ changes: FileChange[]; unlisted: number }> {
    const diff = await this.#git.read([...DIFF_OPTIONS, ...DIFF_TREE, from, to, ...paths]);
    const changes = parseDiff(diff.cut ? withoutLastFile(diff.text) : diff.text, bounds);
    if (!diff.cut && changes.length < FILES_LISTED) return { changes, unlisted: 0 };
    const all = await this.#changedNames(from, to);
    return { changes, unlisted: all.length - changes.length };
  }

  async #changedNames(from: string, to: string): Promise<string[]> {
    if (from === to) return [];
    const names = await this.#git.read([...NAMES, from, to]);
    return names.text.split('\0').filter((name) => name !== '');
  }

  #ask(command: string): Promise<string> {
    return this.#commands.add(() => this.#askShell(command));
  }

  /** An agent can kill or stop the shell like any process of its own: then another one is asked the same. */
  async #askShell(command: string): Promise<string> {
    const answer = await this.#shell.ask(command);
    if (answer !== undefined) return answer;
    if (this.#closed) throw this.#failure('The shell of the workspace was closed.');
    const { agentId, log } = this.#options;
    log.warn({ agentId }, 'The shell of the workspace ended; opening it again');
    const { env } = this.#options;
    this.#shell = await WorkspaceShell.open({ ...this.#options, env: { ...env, DISTRUST: 'yes' } });
    if (this.#closed) this.#shell.close();
    const second = await this.#shell.ask(command);
    if (second !== undefined) return second;
    throw this.#failure('The shell of the workspace ended.');
  }

  #failure(message: string): AppError {
    const { complaints } = this.#shell;
    const cause = new Error(complaints);
    if (!saysNoRoom(complaints)) return new AppError('workspace_failed', message, { cause });
    return new AppError('no_space', `${message} Their disk is full.`, { cause });
  }
}

const NAMES = ['diff-tree', '-r', '-z', '--name-only', '--no-renames'];
const RENAMES = ['diff-tree', '-r', '-M', '-z', '--name-status', '--diff-filter=R'];
const DIFF_TREE = ['diff-tree', '-r', '-p', '--no-renames', '--no-ext-diff', '--no-textconv'];

/** The first of some paths, as many as a command can surely be given. */
function asArguments(paths: readonly string[]): string[] {
  let bytes = 0;
  return paths.slice(0, FILES_LISTED).filter((path) => {
    bytes += Buffer.byteLength(path) + 1;
    return bytes <= ARGUMENT_BYTES;
  });
}
