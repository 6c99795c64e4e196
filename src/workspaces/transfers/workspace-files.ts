import path from 'node:path';
import { AppError } from '../../errors.ts';
import type { ContainerProcess, ContainerRuntime } from '../../runtime/container-runtime.ts';
import { readAtMost } from '../../runtime/read-at-most.ts';
import { STAGING } from '../workspace-path.ts';
import { type ArchiveBounds, type ArchiveReport, ArchiveRules } from './archive-rules.ts';
import { checkedArchive } from './checked-archive.ts';
import { onSocketLeftOut } from './left-out-sockets.ts';
import { CLEAR, lost, Staging, stagingEnvironment } from './staging.ts';

const MISSING = 66;
const OUTSIDE = 67;
/** tar says 1 where a file changed while it was read. */
const TAR_FAILED = 2;

/** In the home of an agent: the last order that was carried out and was to be noted. */
const NOTE = '.workspace-restored';
const NOTE_BYTES = 100;
const RECEIVE = `${CLEAR}
mkdir "$STAGING" "$STAGING/tree" && cd "$STAGING/tree" && exec tar -xof -`;
/** A conversation goes to its place at once: nobody looks for it there yet. */
const RECEIVE_AGENT = `${CLEAR}
mkdir "$STAGING" "$STAGING/tree" && cd "$STAGING" && tar -xof - || exit
[ -d sessions ] || exit 0
mkdir -p "$CODEX_HOME/sessions" && cp -R sessions/. "$CODEX_HOME/sessions/"`;
const SEND = `root=$(cd -P -- "$WORKSPACE" && pwd -P) || exit ${MISSING}
if [ -d "$root/$1" ]; then cd -P -- "$root/$1" && name=. || exit ${MISSING}
elif [ -e "$root/$1" ]; then cd -P -- "$root/$(dirname -- "$1")" && name=./$(basename -- "$1") || exit ${MISSING}
else exit ${MISSING}; fi
case "$(pwd -P)/" in "$root"/*) ;; *) exit ${OUTSIDE} ;; esac
if [ "$2" = yes ]; then exec tar -cf - --exclude=./${STAGING} "$name"; fi
exec tar -cf - --exclude=./${STAGING} --exclude=.git "$name"`;

export type PutOptions = {
  bounds: ArchiveBounds;
  /** The directory of the workspace, by its parts. */
  base: readonly string[];
  /** Whether the directory becomes exactly that, but for its `.git`. */
  replace: boolean;
  /** What becomes of entries in `.git`. */
  git: 'skip' | 'refuse';
  signal?: AbortSignal | undefined;
  /** Called when all has arrived, before anything is moved. */
  onArrived?: () => void;
};

export type GetOptions = {
  bounds: ArchiveBounds;
  base: readonly string[];
  git: boolean;
  signal?: AbortSignal | undefined;
};

/** What was given, and the names of the first entries that were left out. */
export type GivenReport = ArchiveReport & { omittedNames: readonly string[] };

/** Brings files into the workspace of an agent that is awake, all of them or none, and out of it. */
export class WorkspaceFiles {
  readonly #runtime: ContainerRuntime;
  readonly #staging: Staging;

  constructor(runtime: ContainerRuntime) {
    this.#runtime = runtime;
    this.#staging = new Staging(runtime);
  }

  /**
   * Unpacks an archive of tar. Nobody else may change the files meanwhile. Throws `archive_invalid`,
   * `upload_too_large`, `path_conflict`, `no_space`, or what `archive` throws.
   */
  async put(
    agentId: string,
    archive: AsyncIterable<Uint8Array>,
    { bounds, base, replace, git, signal, onArrived }: PutOptions,
  ): Promise<ArchiveReport> {
    const rules = new ArchiveRules({ bounds, base, git });
    const checked = checkedArchive(archive, rules);
    const receipt = { archive: checked, script: RECEIVE, signal, onArrived };
    await this.#staging.fill(agentId, receipt, { parts: base, replace, git: false });
    return rules.report;
  }

  /**
   * Unpacks what makes up an agent, as checked already: the files from `tree` of the archive, in the
   * place of all that is there, and conversations from `sessions`. Nobody else may use the agent
   * meanwhile. Throws `no_space` and what `archive` throws; then the files are as they were, or become
   * those as soon as the agent wakes: {@link wasPlaced} tells, by `id`.
   */
  async putAgent(
    agentId: string,
    archive: AsyncGenerator<Uint8Array>,
    { id, ...options }: { id: string; signal: AbortSignal; onArrived: () => void },
  ): Promise<void> {
    const receipt = { archive, script: RECEIVE_AGENT, ...options };
    const note = { file: this.#noteOf(agentId), id };
    await this.#staging.fill(agentId, receipt, { parts: [], replace: true, git: true, note });
  }

  /** Whether the files of `putAgent` came to their place. Its workspace must be ready. */
  async wasPlaced(agentId: string, id: string): Promise<boolean> {
    const process = await this.#runtime.exec(agentId, ['cat', this.#noteOf(agentId)]);
    process.stderr.resume();
    const noted = await readAtMost(process.stdio, NOTE_BYTES);
    if ((await process.exited) === undefined) throw lost('Nobody can tell what came of them.');
    return noted.toString() === id;
  }

  /**
   * A file or a directory as an archive of tar, which waits for its reader. Throws `path_not_found`
   * before its first chunk, and in the middle if it can't be told to its end.
   */
  async *get(
    agentId: string,
    { bounds, base, git, signal }: GetOptions,
  ): AsyncGenerator<Uint8Array, GivenReport> {
    const command = ['sh', '-c', SEND, 'sh', base.join('/') || '.', git ? 'yes' : 'no'];
    const env = stagingEnvironment(this.#runtime, agentId);
    const process = await this.#runtime.exec(agentId, command, { env });
    const rules = new ArchiveRules({ bounds, base, git: git ? 'take' : 'skip', lenient: true });
    const end = () => process.stdio.destroy();
    signal?.addEventListener('abort', end);
    if (signal?.aborted) end();
    onSocketLeftOut(process.stderr, (name) => rules.omit(name));
    try {
      yield* checkedArchive(outputOf(process, base), rules);
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    } finally {
      signal?.removeEventListener('abort', end);
      process.stdio.destroy();
    }
    return { ...rules.report, omittedNames: rules.omittedNames };
  }

  #noteOf(agentId: string): string {
    return path.posix.join(this.#runtime.layout(agentId).home, NOTE);
  }
}

async function* outputOf(
  { stdio, exited }: ContainerProcess,
  base: readonly string[],
): AsyncGenerator<Uint8Array> {
  for await (const chunk of stdio) yield chunk;
  const exitCode = await exited;
  if (exitCode === MISSING || exitCode === OUTSIDE) {
    const why = exitCode === MISSING ? 'is not there' : 'lies outside';
    throw new AppError('path_not_found', `${JSON.stringify(base.join('/'))} ${why}.`);
  }
  if (exitCode === undefined) throw lost('What was sent is not all.');
  if (exitCode >= TAR_FAILED) {
    const cause = new Error(`tar ended with ${exitCode}`);
    throw new AppError('workspace_failed', 'The files could not be read.', { cause });
  }
}
