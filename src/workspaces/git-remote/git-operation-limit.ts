import { AppError } from '../../errors.ts';

/** Limits the concurrent git operations of all agents. */
export class GitOperationLimit {
  readonly #limit: number;
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Counts an operation until disposal. Throws `too_many_git_operations`. */
  acquire(): Disposable {
    if (this.#running >= this.#limit) {
      const message = `The server already runs ${this.#limit} git operations (\`GIT_MAX_OPERATIONS\`).`;
      throw new AppError('too_many_git_operations', message, { data: { limit: this.#limit } });
    }
    this.#running += 1;
    return {
      [Symbol.dispose]: () => {
        this.#running -= 1;
      },
    };
  }
}
