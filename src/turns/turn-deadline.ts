import { untilAborted } from '../concurrency/until-aborted.ts';
import { AppError } from '../errors.ts';

/** Everything that may end a turn before its time. The first reason wins and is the signal's reason. */
export class TurnDeadline {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(seconds: number) {
    this.#timer = setTimeout(() => {
      this.abort(
        new AppError('turn_timeout', `The call did not end within ${seconds} s.`, {
          data: { timeout_seconds: seconds },
        }),
      );
    }, seconds * 1000);
  }

  get isLate(): boolean {
    const { reason } = this.signal;
    return reason instanceof AppError && reason.code === 'turn_timeout';
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the turn now. */
  abort(reason: AppError): void {
    this.#controller.abort(reason);
  }

  /** Waits for a promise. Throws the reason of the signal at the deadline; the promise is not cancelled. */
  race<T>(promise: Promise<T>): Promise<T> {
    return untilAborted(promise, this.signal);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/**
 * Waits for work that ends itself at the deadline once it has started. Work that has not started by
 * then is not waited for: throws the reason of the deadline.
 */
export async function untilStarted<T>(
  deadline: TurnDeadline,
  work: Promise<T>,
  hasStarted: () => boolean,
): Promise<T> {
  try {
    return await deadline.race(work);
  } catch (error) {
    if (hasStarted()) return work;
    throw error;
  }
}
