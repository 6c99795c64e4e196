import type { Logger } from 'pino';
import { type AppError, toAppError } from '../errors.ts';
import type { ContainerRuntime } from './container-runtime.ts';

export type PreparationState =
  | { state: 'pending' }
  | { state: 'preparing'; step: string }
  | { state: 'ready' }
  | { state: 'failed'; error: AppError };

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

  /** Runs again if it failed for want of an engine, which answers now. */
  retry(): void {
    if (this.#state.state !== 'failed') return;
    if (this.#state.error.code === 'engine_unreachable') void this.run();
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
