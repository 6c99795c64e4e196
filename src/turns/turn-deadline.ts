import { AppError } from '../errors.ts';
import { untilAborted } from '../until-aborted.ts';

type DeadlineOptions = {
  seconds: number;
  /** Aborts when the caller cancels. */
  caller: AbortSignal;
  /** Aborts when the server stops, with an `AppError` as its reason. */
  shutdown: AbortSignal;
};

/** Everything that may end a turn before its time. The first cause wins and is the signal's reason. */
export class TurnDeadline {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #detach: () => void;

  constructor({ seconds, caller, shutdown }: DeadlineOptions) {
    const cancel = () => this.#end(new AppError('cancelled', 'The call was cancelled.'));
    const stop = () => this.#end(shutdown.reason);
    this.#timer = setTimeout(() => {
      this.#end(
        new AppError('turn_timeout', `The call did not end within ${seconds} s.`, {
          data: { timeout_seconds: seconds },
        }),
      );
    }, seconds * 1000);
    if (caller.aborted) cancel();
    if (shutdown.aborted) stop();
    caller.addEventListener('abort', cancel);
    shutdown.addEventListener('abort', stop);
    this.#detach = () => {
      caller.removeEventListener('abort', cancel);
      shutdown.removeEventListener('abort', stop);
    };
  }

  /** Whether the time is over. */
  get isLate(): boolean {
    const { reason } = this.signal;
    return reason instanceof AppError && reason.code === 'turn_timeout';
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Waits for something, but not beyond the deadline: then throws why. What is waited for goes on. */
  race<T>(promise: Promise<T>): Promise<T> {
    return untilAborted(promise, this.signal);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#detach();
  }

  #end(reason: AppError): void {
    this.#controller.abort(reason);
  }
}

/**
 * Gives work up at the deadline as long as it only waits. Once it has started, it ends itself at
 * the deadline, and in order: that end is waited for.
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
