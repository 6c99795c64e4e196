import path from 'node:path';
import PQueue from 'p-queue';
import type { Logger } from 'pino';
import { AppError } from '../errors.ts';
import type { AgentId } from '../identity/agent-id.ts';
import type { ContainerProcess, ContainerRuntime } from '../runtime/container-runtime.ts';
import { DISK_FULL } from '../runtime/disk-full.ts';
import { readAtMost } from '../runtime/read-at-most.ts';
import type { Checkpoint } from './checkpoint.ts';
import { Commits } from './commits/commits.ts';
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

export type TidyBounds = { keptSince: Date | undefined; looseObjects: number };

const CHECKPOINT_DIRECTORY = '.workspace-snapshots';
const HOOK_DIRECTORY = '.workspace-hooks';
const CHECKPOINT = /^ok ([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (\d+)$/;
/** Far longer than any command takes; an agent can freeze the shell. */
const ANSWER_LIMIT_MS = 600_000;
/** Limit of the paths in one command line, well below that of the kernel. */
const ARGUMENT_BYTES = 128 * 1024;
const NAMES_MISSING =
  'for path; do [ -e "./$path" ] || [ -L "./$path" ] || printf "%s\\0" "$path"; done';
/** git also writes its index in commands that only read. */
const NOT_A_CHANGE = new Set(['.git/index']);

type WorkspaceOptions = {
  runtime: ContainerRuntime;
  agentId: AgentId;
  env: { WORKSPACE: string; SNAPSHOTS: string; HOOKS: string; STAGING: string; PLACE: string };
  answerLimitMs: number;
  log: Logger;
};

/** The files of an awake agent. Commands run one after another. */
export class Workspace {
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
    this.commits = new Commits((command) => this.#run(command), this.#git);
  }

  static async open(
    runtime: ContainerRuntime,
    agentId: AgentId,
    log: Logger,
    { answerLimitMs = ANSWER_LIMIT_MS } = {},
  ): Promise<Workspace> {
    const { home } = runtime.layout(agentId);
    const env = {
      ...stagingEnvironment(runtime, agentId),
      SNAPSHOTS: path.posix.join(home, CHECKPOINT_DIRECTORY),
      HOOKS: path.posix.join(home, HOOK_DIRECTORY),
      PLACE,
    };
    const options = { runtime, agentId, env, answerLimitMs, log };
    return new Workspace(options, await WorkspaceShell.open(options));
  }

  /** Directory for git hooks of the server, outside of the workspace. */
  get hooks(): string {
    return this.#options.env.HOOKS;
  }

  /** Resolves when the remains of interrupted operations are completed or removed. */
  async ready(): Promise<void> {
    if ((await this.#run('ready')) !== 'ok')
      throw this.#failure('The workspace could not be prepared.');
  }

  async checkpoint(): Promise<Checkpoint> {
    const [, files, meta, ticks] = CHECKPOINT.exec(await this.#run('checkpoint')) ?? [];
    if (files && meta && ticks) return { files, meta, ticks };
    throw this.#failure('The files of the workspace could not be recorded.');
  }

  async restore(checkpoint: Checkpoint): Promise<void> {
    const answer = await this.#run(`restore ${checkpoint.files} ${checkpoint.meta}`);
    if (answer !== 'ok') throw this.#failure('The files of the workspace could not be restored.');
  }

  /** Kills all processes that were started after a checkpoint, daemons included. */
  async killStartedSince({ ticks }: Checkpoint): Promise<void> {
    const answer = await this.#run(`kill ${ticks}`);
    if (answer !== 'ok') throw this.#failure('Processes of the turn could not be killed.');
  }

  /** Drops all checkpoints but the last. No turn may run, since it needs an earlier one. */
  async packCheckpoints(): Promise<void> {
    const answer = await this.#run('pack');
    if (answer !== 'ok')
      throw this.#failure('The checkpoints of the workspace could not be packed.');
  }

  /**
   * Deletes refs of turns committed before `keptSince`, and packs repositories with `looseObjects` or more
   * loose objects; this may drop all checkpoints but the last. No turn may run.
   */
  async tidy({ keptSince, looseObjects }: TidyBounds): Promise<void> {
    const since = keptSince ? Math.floor(keptSince.getTime() / 1000) : 0;
    const answer = await this.#run(`tidy ${since} ${looseObjects}`);
    if (answer !== 'ok') throw this.#failure('The repositories could not be tidied.');
  }

  /**
   * The changed files, without `.git`, and the number of files that are not listed. `among` restricts
   * both to some paths.
   */
  async changesBetween(
    from: Checkpoint,
    to: Checkpoint,
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

  /** The paths of all changed files, `.git` included. */
  async pathsChangedBetween(from: Checkpoint, to: Checkpoint): Promise<string[]> {
    const [files, meta] = await Promise.all([
      this.#changedNames(from.files, to.files),
      this.#changedNames(from.meta, to.meta),
    ]);
    const inGit = meta.map((name) => `.git/${name}`).filter((name) => !NOT_A_CHANGE.has(name));
    return [...files, ...inGit];
  }

  /**
   * The paths, relative to the workspace, that do not exist. Paths beyond the limit of a command line
   * are not checked.
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

  /** Runs a program with the directory of the files in `WORKSPACE`. */
  exec(command: readonly string[], env: Record<string, string>): Promise<ContainerProcess> {
    const { runtime, agentId, env: own } = this.#options;
    return runtime.exec(agentId, command, { env: { ...own, ...env } });
  }

  close(): void {
    this.#closed = true;
    this.#shell.close();
  }

  /** Lists both halves of a rename, since a diff with renames omits the content of files. */
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

  #run(command: string): Promise<string> {
    return this.#commands.add(() => this.#runInShell(command));
  }

  /** An agent can kill or freeze the shell; a new shell then repeats the command. */
  async #runInShell(command: string): Promise<string> {
    const answer = await this.#shell.run(command);
    if (answer !== undefined) return answer;
    if (this.#closed) throw this.#failure('The workspace shell was closed.');
    const { agentId, log } = this.#options;
    log.warn({ agentId }, 'The workspace shell ended; starting a new one');
    const { env } = this.#options;
    this.#shell = await WorkspaceShell.open({ ...this.#options, env: { ...env, DISTRUST: 'yes' } });
    if (this.#closed) this.#shell.close();
    const second = await this.#shell.run(command);
    if (second !== undefined) return second;
    throw this.#failure('The workspace shell ended.');
  }

  #failure(message: string): AppError {
    const { stderr } = this.#shell;
    const cause = new Error(stderr);
    if (!DISK_FULL.test(stderr)) return new AppError('workspace_failed', message, { cause });
    return new AppError('no_space', `${message} The disk is full.`, { cause });
  }
}

const NAMES = ['diff-tree', '-r', '-z', '--name-only', '--no-renames'];
const RENAMES = ['diff-tree', '-r', '-M', '-z', '--name-status', '--diff-filter=R'];
const DIFF_TREE = ['diff-tree', '-r', '-p', '--no-renames', '--no-ext-diff', '--no-textconv'];

/** The first paths, up to the limit of a command line. */
function asArguments(paths: readonly string[]): string[] {
  let bytes = 0;
  return paths.slice(0, FILES_LISTED).filter((path) => {
    bytes += Buffer.byteLength(path) + 1;
    return bytes <= ARGUMENT_BYTES;
  });
}
