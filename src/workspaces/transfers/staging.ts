import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import pTimeout from 'p-timeout';
import { untilAborted } from '../../concurrency/until-aborted.ts';
import { AppError } from '../../errors.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { lastWords } from '../../runtime/stderr-tail.ts';
import { runScript } from '../container-script.ts';
import { saysNoRoom } from '../disk-full.ts';
import { STAGING } from '../workspace-path.ts';

/** Passed along with the call, so that it always fits the server, whatever the image is. */
export const PLACE = readFileSync(
  new URL('../../../agent-image/place.cjs', import.meta.url),
  'utf8',
);
const CONFLICT = 65;
/** How long a program is waited for that was let go; others in the container can keep it from ending. */
const ENDING_MS = 5_000;

/** In `sh`: removes what is left of an earlier upload. */
export const CLEAR = `if [ -e "$STAGING" ] || [ -L "$STAGING" ]; then
  rm -rf "$STAGING" 2>/dev/null || { chmod -R u+rwX "$STAGING"; rm -rf "$STAGING"; }
fi`;

/** Once it has begun, an order is carried out. */
const FINISH = `if [ -e "$STAGING/order.json" ]; then node -e "$PLACE" || exit; fi
${CLEAR}`;

type Receipt = {
  archive: AsyncGenerator<Uint8Array>;
  /** For `sh`: builds `tree` in the staging of the archive on its standard input. */
  script: string;
  signal?: AbortSignal | undefined;
  /** Called when all has arrived, before anything is moved. */
  onArrived?: (() => void) | undefined;
};

/** Where what is in the staging belongs. */
type Order = {
  /** The directory of the workspace, by its parts. */
  parts: readonly string[];
  /** Whether the directory becomes exactly that. */
  replace: boolean;
  /** Whether that goes for its `.git` too. */
  git: boolean;
  /** A file into which the id is written once that is done. */
  note?: { file: string; id: string };
};

/** A directory beside the files of an agent, where what comes in is built before it is moved. */
export class Staging {
  readonly #runtime: ContainerRuntime;

  constructor(runtime: ContainerRuntime) {
    this.#runtime = runtime;
  }

  /**
   * Takes in an archive and moves it to its place, all of it or nothing. Throws `no_space`,
   * `path_conflict`, `workspace_failed`, `container_lost`, what `archive` throws, or why `signal` is aborted.
   */
  async fill(agentId: string, receipt: Receipt, order: Order): Promise<void> {
    try {
      await this.#receive(agentId, receipt);
      receipt.onArrived?.();
      await this.place(agentId, order);
    } catch (error) {
      await this.clear(agentId);
      throw error;
    }
  }

  /** Moves what is in it to its place. Throws `path_conflict` or `workspace_failed`. */
  async place(agentId: string, order: Order): Promise<void> {
    const { workspace } = this.#runtime.layout(agentId);
    const env = stagingEnvironment(this.#runtime, agentId);
    const whole = JSON.stringify({ ...order, workspace, staging: env.STAGING });
    const command = ['node', '-e', PLACE, '--', whole];
    const { exitCode, complaint } = await runScript(this.#runtime, agentId, command, { env });
    if (exitCode === 0) return;
    if (exitCode === undefined) {
      throw lost(
        'Once it runs again, either all files are in their place or none: send them again.',
      );
    }
    if (exitCode !== CONFLICT) {
      throw failed('The files could not be put in their place.', complaint);
    }
    const where = /^conflict (".{0,300}")$/m.exec(complaint)?.[1] ?? 'a path of the archive';
    throw new AppError(
      'path_conflict',
      `In the place of ${where} is a file or a link, and not a directory, or the other way round. Nothing was changed.`,
    );
  }

  /** Removes what an upload left that did not come to its end, or brings it there. Never throws. */
  async clear(agentId: string): Promise<void> {
    const env = { ...stagingEnvironment(this.#runtime, agentId), PLACE };
    // What is left then, the next one removes, or the shell of the workspace when it is opened.
    await runScript(this.#runtime, agentId, ['sh', '-c', FINISH], { env }).catch(() => undefined);
  }

  async #receive(agentId: string, { archive, script, signal }: Receipt): Promise<void> {
    const env = stagingEnvironment(this.#runtime, agentId);
    const process = await this.#runtime.exec(agentId, ['sh', '-c', script], { env });
    const complaint = lastWords(process.stderr);
    // The stream of a program that has ended refuses what is written: its status says why.
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
      await pTimeout(ended, { milliseconds: ENDING_MS, message: false });
      throw signal?.aborted ? signal.reason : error;
    }
    const exitCode = await process.exited;
    if (exitCode !== 0) throw whyNotUnpacked(exitCode, complaint());
  }
}

/** Where files are built: on the file system of the workspace, and where no sandbox of Codex lets it write. */
export function stagingEnvironment(
  runtime: ContainerRuntime,
  agentId: string,
): { WORKSPACE: string; STAGING: string } {
  const { workspace, home } = runtime.layout(agentId);
  const parent = runtime.confines ? workspace : home;
  return { WORKSPACE: workspace, STAGING: path.posix.join(parent, STAGING) };
}

/** What callers hear whose files were on their way. */
export function lost(consequence: string): AppError {
  const message = `The container ended while files were transferred. ${consequence}`;
  return new AppError('container_lost', message);
}

function whyNotUnpacked(exitCode: number | undefined, complaint: string): AppError {
  if (exitCode === undefined) return lost('Nothing was changed: send the files again.');
  return saysNoRoom(complaint)
    ? new AppError('no_space', 'There is no room for the files. Nothing was changed.')
    : failed('The files could not be unpacked in the container.', complaint);
}

function failed(message: string, complaint: string): AppError {
  return new AppError('workspace_failed', message, { cause: new Error(complaint) });
}
