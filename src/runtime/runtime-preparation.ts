import type { Logger } from 'pino';
import { type AppError, type ErrorCode, toAppError } from '../errors.ts';
import type { ContainerRuntime } from './container-runtime.ts';

export type PreparationState =
  | { state: 'pending' }
  | { state: 'preparing'; step: string }
  | { state: 'ready' }
  | { state: 'failed'; error: AppError };

const RETRYABLE: ReadonlySet<ErrorCode> = new Set(['engine_unreachable', 'runtime_missing']);

/** Prepares the runtime at the start of the server, so that the first agent need not wait for the image. */
export class RuntimePreparation {
  readonly #runtime: ContainerRuntime;
  readonly #log: Logger;
  #state: PreparationState = { state: 'pending' };

  constructor(runtime: ContainerRuntime, log: Logger) {
    this.#runtime = runtime;
    this.#log = log;
  }

  get state(): PreparationState {
    return this.#state;
  }

  /** Runs again after a failure that the engine may have recovered from. */
  retry(): void {
    if (this.#state.state !== 'failed') return;
    if (RETRYABLE.has(this.#state.error.code)) void this.run();
  }

  /** Never rejects: {@link state} has the error, and each start of an agent prepares again. */
  async run(): Promise<void> {
    this.#state = { state: 'preparing', step: 'checking' };
    try {
      await this.#runtime.prepare((step) => {
        this.#state = { state: 'preparing', step };
        this.#log.info({ step }, 'Preparing the runtime');
      });
      this.#state = { state: 'ready' };
    } catch (error) {
      this.#state = { state: 'failed', error: toAppError(error) };
      this.#log.error({ err: error }, 'The runtime could not be prepared');
    }
  }
}
