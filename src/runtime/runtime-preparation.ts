import type { Logger } from 'pino';
import { type AppError, type ErrorCode, toAppError } from '../errors.ts';
import type { ContainerRuntime } from './container-runtime.ts';

export type PreparationState =
  | { state: 'pending' }
  | { state: 'preparing'; step: string }
  | { state: 'ready' }
  | { state: 'failed'; error: AppError };

const CURABLE: ReadonlySet<ErrorCode> = new Set(['engine_unreachable', 'runtime_missing']);

/** Makes at the start of the server what agents need later, such as their image. */
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

  /** Runs again if it failed for want of what is there now: the engine, or a runtime of it. */
  retry(): void {
    if (this.#state.state !== 'failed') return;
    if (CURABLE.has(this.#state.error.code)) void this.run();
  }

  /** Never rejects: calls try again, and health tells. */
  async run(): Promise<void> {
    this.#state = { state: 'preparing', step: 'looking' };
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
