import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { AppError } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { CopyOptions, CopySource } from '../container-runtime.ts';
import { DISK_FULL } from '../disk-full.ts';
import type { ContainerFactory } from './container-factory.ts';
import { containerNames, copyOptions } from './container-options.ts';
import { stateOf } from './container-state.ts';
import type { Engine } from './engine.ts';
import { FrameSplitter } from './frame-splitter.ts';

const FIRST_POLL_MS = 10;
const LAST_POLL_MS = 500;
const LINES_KEPT = 5;

/**
 * Copies the volumes of an agent in a container that mounts the source and the target. The container has
 * the name of the target's own one, so after a crash it is replaced like any outdated container.
 */
export class VolumeCopy {
  readonly #engine: Engine;
  readonly #factory: ContainerFactory;
  readonly #installationId: string;

  constructor(options: { engine: Engine; factory: ContainerFactory; installationId: string }) {
    this.#engine = options.engine;
    this.#factory = options.factory;
    this.#installationId = options.installationId;
  }

  /** The target must have no volumes. Throws `copy_failed`, `no_space`, the reason of `signal` or the error of `onCopied`. */
  async run(from: CopySource, to: AgentId, { signal, onCopied }: CopyOptions): Promise<void> {
    const shape = await this.#factory.shape();
    // Without `_body` dockerode would also write the body into the URL.
    const request = {
      _query: { name: containerNames(this.#installationId, to).container },
      _body: copyOptions(this.#installationId, { from, to }, shape),
    };
    const container = await this.#engine.call('create a container that copies', (call) =>
      this.#engine.docker.createContainer({ ...request, ...call }),
    );
    try {
      await this.#engine.call('start a container that copies', (call) => container.start(call));
      const exitCode = await this.#waitForExit(container, signal);
      if (exitCode !== 0) throw await this.#failure(container, exitCode);
      onCopied();
    } finally {
      await this.#factory.remove(container.id);
    }
  }

  async #waitForExit(container: Docker.Container, signal: AbortSignal): Promise<number> {
    for (let wait = FIRST_POLL_MS; ; wait = Math.min(wait * 2, LAST_POLL_MS)) {
      signal.throwIfAborted();
      const found = await this.#engine.call('describe a container', (call) =>
        container.inspect(call),
      );
      if (stateOf(found) === 'stopped') return found.State.ExitCode;
      await sleep(wait);
    }
  }

  async #failure(container: Docker.Container, exitCode: number): Promise<AppError> {
    const output = await this.#engine.call('read the log of a container', (call) =>
      container.logs({ ...call, stdout: true, stderr: true, tail: LINES_KEPT, follow: false }),
    );
    const frames = [...new FrameSplitter().split(output)];
    const text = Buffer.concat(frames.map(({ bytes }) => bytes)).toString();
    const cause = new Error(`cp exited with ${exitCode}: ${text.trim()}`);
    if (DISK_FULL.test(text)) return new AppError('no_space', 'The disk is full.', { cause });
    return new AppError('copy_failed', 'The files of the agent could not be copied.', { cause });
  }
}
