import path from 'node:path';
import { AppError } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerProcess, ContainerRuntime } from '../../runtime/container-runtime.ts';
import { readAtMost } from '../../runtime/read-at-most.ts';
import { STAGING } from '../workspace-path.ts';
import { type ArchiveBounds, type ArchiveReport, ArchiveRules } from './archive-rules.ts';
import { checkedArchive } from './checked-archive.ts';
import { onSkippedSocket } from './skipped-sockets.ts';
import { CLEAR, lost, Staging, stagingEnvironment } from './staging.ts';

const MISSING = 66;
const OUTSIDE = 67;
/** tar exits with 1 if a file changed while it was read. */
const TAR_FAILED = 2;

/** File in the home of an agent with the id of its last completed restore. */
const NOTE = '.workspace-restored';
const NOTE_BYTES = 100;
const RECEIVE = `${CLEAR}
mkdir "$STAGING" "$STAGING/tree" && cd "$STAGING/tree" && exec tar -xof -`;
/** Sessions of Codex are copied directly: no thread refers to them yet. */
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
  /** Target directory in the workspace, in parts. */
  base: readonly string[];
  /** Whether other files of the target are removed, except for `.git`. */
  replace: boolean;
  /** Treatment of entries in `.git`. */
  git: 'skip' | 'refuse';
  signal?: AbortSignal | undefined;
  /** Called when the archive is complete, before files are moved. */
  onArrived?: () => void;
};

export type GetOptions = {
  bounds: ArchiveBounds;
  base: readonly string[];
  git: boolean;
  signal?: AbortSignal | undefined;
};

/** Counts of a download, and the names of the first omitted entries. */
export type DownloadReport = ArchiveReport & { omittedNames: readonly string[] };

/** Uploads to and downloads from the workspace of an awake agent; an upload changes all files or none. */
export class WorkspaceFiles {
  readonly #runtime: ContainerRuntime;
  readonly #staging: Staging;

  constructor(runtime: ContainerRuntime) {
    this.#runtime = runtime;
    this.#staging = new Staging(runtime);
  }

  /**
   * Unpacks a tar archive. The caller must have exclusive access to the files. Throws `archive_invalid`,
   * `upload_too_large`, `path_conflict`, `no_space`, or the error of `archive`.
   */
  async put(
    agentId: AgentId,
    archive: AsyncIterable<Uint8Array>,
    { bounds, base, replace, git, signal, onArrived }: PutOptions,
  ): Promise<ArchiveReport> {
    const rules = new ArchiveRules({ bounds, base, git });
    const checked = checkedArchive(archive, rules);
    const incoming = { archive: checked, script: RECEIVE, signal, onArrived };
    await this.#staging.fill(agentId, incoming, { parts: base, replace, git: false });
    return rules.report;
  }

  /**
   * Replaces an agent by a checked archive: its files by `tree`, its threads by `sessions`. The caller
   * must have exclusive access to the agent. Throws `no_space` and the error of `archive`. After an
   * error the files are unchanged, or are replaced at the next wake: {@link wasPlaced} tells which.
   */
  async putAgent(
    agentId: AgentId,
    archive: AsyncGenerator<Uint8Array>,
    { id, ...options }: { id: string; signal: AbortSignal; onArrived: () => void },
  ): Promise<void> {
    const incoming = { archive, script: RECEIVE_AGENT, ...options };
    const note = { file: this.#noteOf(agentId), id };
    await this.#staging.fill(agentId, incoming, { parts: [], replace: true, git: true, note });
  }

  /** Whether the files of a `putAgent` are in place. The workspace must be ready. */
  async wasPlaced(agentId: AgentId, id: string): Promise<boolean> {
    const process = await this.#runtime.exec(agentId, ['cat', this.#noteOf(agentId)]);
    process.stderr.resume();
    const noted = await readAtMost(process.stdio, NOTE_BYTES);
    if ((await process.exited) === undefined)
      throw lost('Whether the files are in place is unknown.');
    return noted.toString() === id;
  }

  /**
   * Streams a file or a directory as a tar archive. Throws `path_not_found` before the first chunk, and
   * in the middle if the archive cannot be completed.
   */
  async *get(
    agentId: AgentId,
    { bounds, base, git, signal }: GetOptions,
  ): AsyncGenerator<Uint8Array, DownloadReport> {
    const command = ['sh', '-c', SEND, 'sh', base.join('/') || '.', git ? 'yes' : 'no'];
    const env = stagingEnvironment(this.#runtime, agentId);
    const process = await this.#runtime.exec(agentId, command, { env });
    const rules = new ArchiveRules({ bounds, base, git: git ? 'take' : 'skip', lenient: true });
    const end = () => process.stdio.destroy();
    signal?.addEventListener('abort', end);
    if (signal?.aborted) end();
    onSkippedSocket(process.stderr, (name) => rules.omit(name));
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

  #noteOf(agentId: AgentId): string {
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
    const why = exitCode === MISSING ? 'does not exist' : 'is outside of the workspace';
    throw new AppError('path_not_found', `${JSON.stringify(base.join('/'))} ${why}.`);
  }
  if (exitCode === undefined) throw lost('The archive is incomplete.');
  if (exitCode >= TAR_FAILED) {
    const cause = new Error(`tar exited with ${exitCode}`);
    throw new AppError('workspace_failed', 'The files could not be read.', { cause });
  }
}
