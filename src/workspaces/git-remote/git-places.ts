import { AppError } from '../../errors.ts';

/** How many git clients are served at the same time. */
export class GitPlaces {
  readonly #limit: number;
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes a place until it is disposed of. Throws `too_many_git_operations`. */
  enter(): Disposable {
    if (this.#taken >= this.#limit) {
      const message = `${this.#limit} git operations run already.`;
      throw new AppError('too_many_git_operations', message, { data: { limit: this.#limit } });
    }
    this.#taken += 1;
    return {
      [Symbol.dispose]: () => {
        this.#taken -= 1;
      },
    };
  }
}
