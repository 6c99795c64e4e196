import Docker from 'dockerode';
import { z } from 'zod';
import { untilAborted } from '../../concurrency/until-aborted.ts';
import type { Config } from '../../config/settings.ts';
import { type EngineAddress, engineConnection } from './engine-connection.ts';
import { engineError } from './engine-errors.ts';

const infoSchema = z.looseObject({
  ServerVersion: z.string(),
  NCPU: z.number(),
  MemTotal: z.number(),
  SystemTime: z.string(),
  CgroupVersion: z.string().optional(),
  DockerRootDir: z.string().optional(),
  // An engine that does not report these is assumed to support them.
  MemoryLimit: z.boolean().default(true),
  CpuCfsQuota: z.boolean().default(true),
  PidsLimit: z.boolean().default(true),
  Runtimes: z.record(z.string(), z.unknown()).default({}),
});

export type EngineDescription = z.output<typeof infoSchema>;

type EngineFacts = {
  cpus: number;
  /** Milliseconds that the engine's clock is ahead. */
  clockAhead: number;
};

type CallOptions = {
  /** Additional time for calls with a duration of their own. */
  extraSeconds?: number;
  signal?: AbortSignal;
};

/** A connection to an engine, with a timeout and an AppError for each call. */
export class Engine {
  readonly docker: Docker;
  readonly #timeoutSeconds: number;
  #facts: Promise<EngineFacts> | undefined;

  constructor(config: EngineAddress & Pick<Config, 'DOCKER_OPERATION_TIMEOUT'>) {
    this.docker = new Docker(engineConnection(config));
    this.#timeoutSeconds = config.DOCKER_OPERATION_TIMEOUT;
  }

  async info(signal?: AbortSignal): Promise<EngineDescription> {
    const options = signal ? { signal } : {};
    const answer = await this.call('describe itself', () => this.docker.info(), options);
    return infoSchema.parse(answer);
  }

  /** Cached, since the call takes tens of milliseconds. */
  facts(): Promise<EngineFacts> {
    this.#facts ??= this.info().then(
      ({ NCPU, SystemTime }) => ({ cpus: NCPU, clockAhead: Date.parse(SystemTime) - Date.now() }),
      (error: unknown) => {
        this.#facts = undefined;
        throw error;
      },
    );
    return this.#facts;
  }

  /** Runs one request; `doing` completes "The Docker engine failed to …". */
  async call<T>(
    doing: string,
    request: (options: { abortSignal: AbortSignal }) => Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    // docker-modem's own timeout would also end idle exec streams.
    const seconds = this.#timeoutSeconds + (options.extraSeconds ?? 0);
    const deadline = AbortSignal.timeout(seconds * 1000);
    const abortSignal = options.signal ? AbortSignal.any([deadline, options.signal]) : deadline;
    return this.callUnbounded(doing, () =>
      // Some methods of dockerode ignore the signal.
      untilAborted(request({ abortSignal }), abortSignal),
    );
  }

  /** Runs a request without a timeout, such as a build. */
  async callUnbounded<T>(doing: string, request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw engineError(error, doing);
    }
  }
}
