import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../errors.ts';
import type { ContainerProcess, ContainerRuntime } from '../../runtime/container-runtime.ts';
import { runScript } from '../container-script.ts';
import { STAGING } from '../workspace-path.ts';
import { type ArchiveBounds, type ArchiveReport, ArchiveRules } from './archive-rules.ts';
import { checkedArchive } from './checked-archive.ts';

/** Passed along with the call, so that it always fits the server, whatever the image is. */
export const PLACE = readFileSync(
  new URL('../../../agent-image/place.cjs', import.meta.url),
  'utf8',
);
const CONFLICT = 65;
const MISSING = 66;
const OUTSIDE = 67;
/** tar says 1 where a file changed while it was read. */
const TAR_FAILED = 2;
const STDERR_KEPT = 2_000;
/** How long tar is waited for that was let go; others in the container can keep it from ending. */
const ENDING_MS = 10_000;

export const CLEAR = `if [ -e "$STAGING" ] || [ -L "$STAGING" ]; then
  rm -rf "$STAGING" 2>/dev/null || { chmod -R u+rwX "$STAGING"; rm -rf "$STAGING"; }
fi`;
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

type Receipt = {
  archive: AsyncGenerator<Uint8Array>;
  script: string;
  signal: AbortSignal | undefined;
};

/**
 * Brings files into the workspace of an agent that is awake, and out of it. What comes in is built
 * in a directory beside it first, and then moved: all of it or nothing.
 */
export class WorkspaceFiles {
  readonly #runtime: ContainerRuntime;

  constructor(runtime: ContainerRuntime) {
    this.#runtime = runtime;
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
    try {
      await this.#receive(agentId, {
        archive: checkedArchive(archive, rules),
        script: RECEIVE,
        signal,
      });
      onArrived?.();
      await this.place(agentId, { parts: base, replace, git: false });
    } catch (error) {
      await this.clear(agentId);
      throw error;
    }
    return rules.report;
  }

  /**
   * Unpacks what makes up an agent, as checked already: the files from `tree` of the archive, in the
   * place of all that is there, and conversations from `sessions`. Nobody else may use the agent
   * meanwhile. Throws `no_space` and what `archive` throws; then the files are as they were.
   */
  async putAgent(
    agentId: string,
    archive: AsyncGenerator<Uint8Array>,
    { signal, onArrived }: { signal: AbortSignal; onArrived: () => void },
  ): Promise<void> {
    try {
      await this.#receive(agentId, { archive, script: RECEIVE_AGENT, signal });
      onArrived();
      await this.place(agentId, { parts: [], replace: true, git: true });
    } catch (error) {
      await this.clear(agentId);
      throw error;
    }
  }

  /**
   * A file or a directory as an archive of tar, which waits for its reader. Throws `path_not_found`
   * before its first chunk, and in the middle if it can't be told to its end.
   */
  async *get(
    agentId: string,
    { bounds, base, git, signal }: GetOptions,
  ): AsyncGenerator<Uint8Array, ArchiveReport> {
    const command = ['sh', '-c', SEND, 'sh', base.join('/') || '.', git ? 'yes' : 'no'];
    const process = await this.#runtime.exec(agentId, command, { env: this.#environment(agentId) });
    const rules = new ArchiveRules({ bounds, base, git: git ? 'take' : 'skip', lenient: true });
    const end = () => process.stdio.destroy();
    signal?.addEventListener('abort', end);
    try {
      yield* checkedArchive(outputOf(process, base), rules);
    } finally {
      signal?.removeEventListener('abort', end);
      process.stdio.destroy();
    }
    return rules.report;
  }

  /** Moves what is in the staging to its place. */
  async place(
    agentId: string,
    order: { parts: readonly string[]; replace: boolean; git: boolean },
  ): Promise<void> {
    const { workspace } = this.#runtime.layout(agentId);
    const env = this.#environment(agentId);
    const whole = JSON.stringify({ ...order, workspace, staging: env.STAGING });
    const command = ['node', '-e', PLACE, '--', whole];
    const { exitCode, complaint } = await runScript(this.#runtime, agentId, command, { env });
    if (exitCode === 0) return;
    if (exitCode !== CONFLICT)
      throw failed('The files could not be put in their place.', complaint);
    const where = /^conflict (".{0,300}")$/m.exec(complaint)?.[1] ?? 'a path of the archive';
    throw new AppError(
      'path_conflict',
      `In the place of ${where} is a file or a link, and not a directory, or the other way round. Nothing was changed.`,
    );
  }

  /** Removes what an upload left that did not come to its end. Never throws. */
  async clear(agentId: string): Promise<void> {
    const env = this.#environment(agentId);
    // What is left then, the next one removes, or the shell of the workspace when it is opened.
    await runScript(this.#runtime, agentId, ['sh', '-c', CLEAR], { env }).catch(() => undefined);
  }

  async #receive(agentId: string, { archive, script, signal }: Receipt): Promise<void> {
    const env = this.#environment(agentId);
    const process = await this.#runtime.exec(agentId, ['sh', '-c', script], { env });
    let complaint = '';
    process.stderr.on('data', (chunk) => {
      complaint = (complaint + chunk).slice(-STDERR_KEPT);
    });
    process.stdio.resume();
    let over = false;
    const ended = process.exited.then(() => {
      over = true;
    });
    try {
      for await (const chunk of archive) {
        signal?.throwIfAborted();
        if (over) break;
        if (process.stdio.write(chunk)) continue;
        await Promise.race([once(process.stdio, 'drain', signal && { signal }), ended]);
      }
      process.stdio.end();
    } catch (error) {
      process.stdio.destroy();
      await Promise.race([ended, sleep(ENDING_MS, undefined, { ref: false })]);
      throw error;
    }
    const exitCode = await process.exited;
    if (exitCode === 0) return;
    if (/no space|quota/i.test(complaint)) {
      throw new AppError('no_space', 'There is no room for the files. Nothing was changed.');
    }
    throw failed('The files could not be unpacked in the container.', complaint);
  }

  #environment(agentId: string): { WORKSPACE: string; STAGING: string } {
    return transferEnvironment(this.#runtime, agentId);
  }
}

/** Where files are built: on the file system of the workspace, and where no sandbox of Codex lets it write. */
export function transferEnvironment(runtime: ContainerRuntime, agentId: string) {
  const { workspace, home } = runtime.layout(agentId);
  const parent = runtime.confines ? workspace : home;
  return { WORKSPACE: workspace, STAGING: path.posix.join(parent, STAGING) };
}

async function* outputOf(
  { stdio, stderr, exited }: ContainerProcess,
  base: readonly string[],
): AsyncGenerator<Uint8Array> {
  stderr.resume();
  for await (const chunk of stdio) yield chunk;
  const exitCode = await exited;
  if (exitCode === MISSING || exitCode === OUTSIDE) {
    const why = exitCode === MISSING ? 'is not there' : 'lies outside';
    throw new AppError('path_not_found', `${JSON.stringify(base.join('/'))} ${why}.`);
  }
  if (exitCode === undefined || exitCode >= TAR_FAILED) {
    throw failed('The files could not be read.', `tar ended with ${exitCode}`);
  }
}

function failed(message: string, complaint: string): AppError {
  return new AppError('workspace_failed', message, { cause: new Error(complaint.trim()) });
}
