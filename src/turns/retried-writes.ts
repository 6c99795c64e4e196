import type { Logger } from 'pino';

const RETRY_MS = 2_000;

/** Writes that must not be lost: each is retried until it succeeds, for example after a full disk. */
export class RetriedWrites {
  readonly #log: Logger;
  readonly #pending = new Map<string, () => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Runs `task` now, or later in the order of the calls. A task may run more than once. */
  write(turnId: string, task: () => void): void {
    this.#pending.set(turnId, task);
    const failure = this.#runAll();
    if (failure) this.#log.error({ err: failure.error, turnId }, 'A turn is not written yet');
  }

  /** Tries a last time. */
  close(): void {
    const failure = this.#runAll();
    clearTimeout(this.#timer);
    if (!failure) return;
    const turnIds = [...this.#pending.keys()];
    this.#log.fatal({ err: failure.error, turnIds }, 'The ends of turns could not be written');
  }

  #runAll(): { error: unknown } | undefined {
    for (const [turnId, task] of this.#pending) {
      try {
        task();
        this.#pending.delete(turnId);
      } catch (error) {
        this.#timer ??= setTimeout(() => {
          this.#timer = undefined;
          this.#runAll();
        }, RETRY_MS).unref();
        return { error };
      }
    }
    return undefined;
  }
}
