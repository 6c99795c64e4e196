import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import pTimeout from 'p-timeout';
import { untilAborted } from '../../concurrency/until-aborted.ts';
import { AppError } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { DISK_FULL } from '../../runtime/disk-full.ts';
import { stderrTail } from '../../runtime/stderr-tail.ts';
import { runScript } from '../container-script.ts';
import { STAGING } from '../workspace-path.ts';

/** Passed with every exec, so that its version is the server's, whatever the image. */
export const PLACE = readFileSync(
  new URL('../../../agent-image/place.cjs', import.meta.url),
  'utf8',
);
const CONFLICT = 65;
/** Other processes of the container can freeze a script, so that it never exits. */
const ABORT_LIMIT_MS = 5_000;

/** Shell code that removes the remains of an earlier upload. */
export const CLEAR = `if [ -e "$STAGING" ] || [ -L "$STAGING" ]; then
  rm -rf "$STAGING" 2>/dev/null || { chmod -R u+rwX "$STAGING"; rm -rf "$STAGING"; }
fi`;

/** Shell code that completes an order that was begun, and removes the staging directory. */
const FINISH = `if [ -e "$STAGING/order.json" ]; then node -e "$PLACE" || exit; fi
${CLEAR}`;

type IncomingArchive = {
  archive: AsyncGenerator<Uint8Array>;
  /** Shell code that unpacks standard input into `tree` in the staging directory. */
  script: string;
  signal?: AbortSignal | undefined;
  /** Called when the archive is complete, before files are moved. */
  onArrived?: (() => void) | undefined;
};

/** An order to agent-image/place.cjs. */
type Order = {
  /** Target directory in the workspace, in parts. */
  parts: readonly string[];
  /** Whether other files of the target are removed. */
  replace: boolean;
  /** Whether `replace` includes `.git`. */
  git: boolean;
  /** A file that gets the id when the files are in place. */
  note?: { file: string; id: string };
};

/** A directory next to the files of an agent, in which incoming files are built before they are moved. */
export class Staging {
  readonly #runtime: ContainerRuntime;

  constructor(runtime: ContainerRuntime) {
    this.#runtime = runtime;
  }

  /**
   * Unpacks an archive and moves its files into place, all or none. Throws `no_space`, `path_conflict`,
   * `workspace_failed`, `container_lost`, the error of `archive` or the reason of `signal`.
   */
  async fill(agentId: AgentId, incoming: IncomingArchive, order: Order): Promise<void> {
    try {
      await this.#receive(agentId, incoming);
      incoming.onArrived?.();
      await this.place(agentId, order);
    } catch (error) {
      await this.clear(agentId);
      throw error;
    }
  }

  /** Moves the files into place. Throws `path_conflict` or `workspace_failed`. */
  async place(agentId: AgentId, order: Order): Promise<void> {
    const { workspace } = this.#runtime.layout(agentId);
    const env = stagingEnvironment(this.#runtime, agentId);
    const whole = JSON.stringify({ ...order, workspace, staging: env.STAGING });
    const command = ['node', '-e', PLACE, '--', whole];
    const { exitCode, stderr } = await runScript(this.#runtime, agentId, command, { env });
    if (exitCode === 0) return;
    if (exitCode === undefined) {
      throw lost(
        'After its next start either all files are in place or none: send the files again.',
      );
    }
    if (exitCode !== CONFLICT) {
      throw failed('The files could not be moved into place.', stderr);
    }
    const where = /^conflict (".{0,300}")$/m.exec(stderr)?.[1] ?? 'A path of the archive';
    throw new AppError(
      'path_conflict',
      `${where} exists as a file or a link where the archive has a directory, or the reverse. Nothing was changed.`,
    );
  }

  /** Completes or removes an interrupted upload. Never throws. */
  async clear(agentId: AgentId): Promise<void> {
    const env = { ...stagingEnvironment(this.#runtime, agentId), PLACE };
    // On failure, the next upload or the next start of the workspace shell does it.
    await runScript(this.#runtime, agentId, ['sh', '-c', FINISH], { env }).catch(() => undefined);
  }

  async #receive(agentId: AgentId, { archive, script, signal }: IncomingArchive): Promise<void> {
    const env = stagingEnvironment(this.#runtime, agentId);
    const process = await this.#runtime.exec(agentId, ['sh', '-c', script], { env });
    const stderr = stderrTail(process.stderr);
    // Writes to a program that has exited fail; its exit code tells the reason.
    process.stdio.on('error', () => undefined).resume();
    let over = false;
    const ended = process.exited.then(() => {
      over = true;
    });
    try {
      for await (const chunk of archive) {
        signal?.throwIfAborted();
        if (over || !process.stdio.writable) break;
        if (process.stdio.write(chunk)) continue;
        const drained = once(process.stdio, 'drain', signal && { signal });
        await Promise.race([drained.catch(() => undefined), ended]);
      }
      process.stdio.end();
      // Others in the container can stop a program, so that it never ends.
      await untilAborted(ended, signal);
    } catch (error) {
      process.stdio.destroy();
      await pTimeout(ended, { milliseconds: ABORT_LIMIT_MS, message: false });
      throw signal?.aborted ? signal.reason : error;
    }
    const exitCode = await process.exited;
    if (exitCode !== 0) throw unpackFailure(exitCode, stderr());
  }
}

/** The staging directory: on the file system of the workspace, and not writable in Codex's own sandbox. */
export function stagingEnvironment(
  runtime: ContainerRuntime,
  agentId: AgentId,
): { WORKSPACE: string; STAGING: string } {
  const { workspace, home } = runtime.layout(agentId);
  const parent = runtime.confines ? workspace : home;
  return { WORKSPACE: workspace, STAGING: path.posix.join(parent, STAGING) };
}

export function lost(consequence: string): AppError {
  const message = `The container stopped during the transfer. ${consequence}`;
  return new AppError('container_lost', message);
}

function unpackFailure(exitCode: number | undefined, stderr: string): AppError {
  if (exitCode === undefined) return lost('Nothing was changed: send the files again.');
  return DISK_FULL.test(stderr)
    ? new AppError('no_space', 'The disk has no room for the files. Nothing was changed.')
    : failed('The files could not be unpacked in the container.', stderr);
}

function failed(message: string, stderr: string): AppError {
  return new AppError('workspace_failed', message, { cause: new Error(stderr) });
}
