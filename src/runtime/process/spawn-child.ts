import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import os from 'node:os';
import { Duplex, PassThrough, Readable } from 'node:stream';
import { AppError } from '../../errors.ts';
import type { ContainerProcess } from '../container-runtime.ts';
import { ChildStdio } from './child-stdio.ts';
import { hasCode } from './system-error.ts';

const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;
const SIGNALLED = 128;

export type SpawnOptions = {
  cwd: string;
  env: Record<string, string>;
  /** Whether the container still runs; called when a signal ended the program. */
  containerRuns: () => Promise<boolean>;
};

/** Runs a program in a session of its own; undefined if the container stopped meanwhile. */
export async function spawnChild(
  command: readonly string[],
  options: SpawnOptions,
): Promise<ContainerProcess | undefined> {
  const [program = '', ...args] = command;
  const { cwd, env, containerRuns } = options;
  const child = spawn(program, args, { cwd, env, detached: true, stdio: 'pipe' });
  const exited = watchExit(child, containerRuns);
  const stdio = new ChildStdio(child);
  // Node discards unread output of a child that has exited.
  const stderr = child.stderr.pipe(new PassThrough());
  try {
    await once(child, 'spawn');
  } catch (error) {
    stdio.destroy();
    return cannotRun(program, error);
  }
  if (await containerRuns()) return { stdio, stderr, exited };
  // The program may have started after all processes of the agent were killed.
  child.kill('SIGKILL');
  stdio.destroy();
  return undefined;
}

/** The exit code of a shell. */
export function exitStatus(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? SIGNALLED + (signal === null ? 0 : os.constants.signals[signal]);
}

async function watchExit(
  child: ChildProcessWithoutNullStreams,
  containerRuns: () => Promise<boolean>,
): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<[number | null, NodeJS.Signals | null]>();
  child.once('exit', (code, signal) => resolve([code, signal]));
  const [code, signal] = await promise;
  const ended = signal !== null && !(await containerRuns().catch(() => false));
  return ended ? undefined : exitStatus(code, signal);
}

/** Reports a program that cannot run like a shell: by an exit code and a line on standard error. */
function cannotRun(program: string, error: unknown): ContainerProcess {
  if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES')) {
    throw new AppError('engine_failed', `${program} cannot be started.`, { cause: error });
  }
  const isForbidden = hasCode(error, 'EACCES');
  const reason = isForbidden ? 'permission denied' : 'not found';
  return {
    stdio: new Duplex({
      read() {
        this.push(null);
      },
      write(_chunk, _encoding, done) {
        done();
      },
    }),
    stderr: Readable.from([`${program}: ${reason}\n`], { objectMode: false }),
    exited: Promise.resolve(isForbidden ? NOT_EXECUTABLE : NOT_FOUND),
  };
}
