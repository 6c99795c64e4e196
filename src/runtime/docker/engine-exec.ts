import net from 'node:net';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { AppError } from '../../errors.ts';
import type { ContainerProcess, ExecOptions } from '../container-runtime.ts';
import type { Engine } from './engine.ts';
import { ExecStream } from './exec-stream.ts';

const FIRST_POLL_MS = 2;
const LAST_POLL_MS = 2000;
/** Exit code of a killed process. */
const KILLED = 137;
/** A busy engine notices the end of a container late. */
const ENDED_POLLS = 10;
const ENDED_POLL_MS = 100;

/** Runs a program in a running container. */
export async function execInContainer(
  engine: Engine,
  container: string,
  command: readonly string[],
  options: ExecOptions = {},
): Promise<ContainerProcess & { stdio: ExecStream }> {
  const exec = await engine.call(`prepare ${command[0]} in ${container}`, (call) =>
    engine.docker.getContainer(container).exec({
      ...call,
      Cmd: [...command],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      ...(options.cwd && { WorkingDir: options.cwd }),
      ...(options.env && {
        Env: Object.entries(options.env).map(([name, value]) => `${name}=${value}`),
      }),
    }),
  );
  const connection = await engine.call(`run ${command[0]} in ${container}`, (call) =>
    exec.start({ ...call, hijack: true, Tty: false }),
  );
  makeImmediate(connection);
  const stdio = new ExecStream(connection);
  const closed = new Promise<void>((resolve) => {
    connection.once('end', resolve);
    connection.once('close', resolve);
  });
  return { stdio, stderr: stdio.stderr, exited: closed.then(() => exitStatus(engine, exec)) };
}

function makeImmediate(connection: unknown): asserts connection is Duplex {
  if (!(connection instanceof Duplex)) {
    throw new AppError('engine_failed', 'The Docker engine returned no connection to the program.');
  }
  if (connection instanceof net.Socket) connection.setNoDelay(true).setTimeout(0);
}

/** The engine knows the exit code shortly after the end of the output, or long after a destroyed stream. */
async function exitStatus(engine: Engine, exec: Docker.Exec): Promise<number | undefined> {
  try {
    for (let wait = FIRST_POLL_MS; ; wait = Math.min(wait * 2, LAST_POLL_MS)) {
      const state = await engine.call('tell an exit status', (call) => exec.inspect(call));
      if (!state.Running) return await unlessContainerEnded(engine, state);
      if (wait === LAST_POLL_MS && !(await runs(engine, state.ContainerID))) return undefined;
      await sleep(wait, undefined, { ref: false });
    }
  } catch {
    return undefined;
  }
}

/** The end of the main process kills all others. */
async function unlessContainerEnded(
  engine: Engine,
  { ExitCode, ContainerID }: Docker.ExecInspectInfo,
): Promise<number | undefined> {
  if (ExitCode !== KILLED) return ExitCode ?? undefined;
  // The engine notices the end of the main process after that of the others.
  for (let poll = 0; poll < ENDED_POLLS; poll++) {
    await sleep(ENDED_POLL_MS, undefined, { ref: false });
    if (!(await runs(engine, ContainerID))) return undefined;
  }
  return KILLED;
}

async function runs(engine: Engine, container: string): Promise<boolean> {
  const { State } = await engine.call('tell the state of a container', (call) =>
    engine.docker.getContainer(container).inspect(call),
  );
  return State.Running;
}
