import type { Logger } from 'pino';

const RETRY_MS = 2_000;

/** Writes what must not be lost: what fails, as on a full disk, is tried again until it works. */
export class LateWrites {
  readonly #log: Logger;
  readonly #waiting = new Map<string, () => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Writes now, or later in the order of the calls; a write may be begun more than once. */
  write(name: string, task: () => void): void {
    this.#waiting.set(name, task);
    const failure = this.#tryAll();
    if (failure) this.#log.error({ err: failure.error, turnId: name }, 'Not written yet');
  }

  /** Tries a last time. */
  close(): void {
    clearTimeout(this.#timer);
    const failure = this.#tryAll();
    clearTimeout(this.#timer);
    if (!failure) return;
    const lost = [...this.#waiting.keys()];
    this.#log.fatal(
      { err: failure.error, turnIds: lost },
      'The ends of turns could not be written',
    );
  }

  #tryAll(): { error: unknown } | undefined {
    for (const [name, task] of this.#waiting) {
      try {
        task();
        this.#waiting.delete(name);
      } catch (error) {
        this.#timer ??= setTimeout(() => this.#again(), RETRY_MS).unref();
        return { error };
      }
    }
    return undefined;
  }

  #again(): void {
    this.#timer = undefined;
    this.#tryAll();
  }
}
