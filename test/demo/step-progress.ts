import type { Narrator } from './narrator.ts';

const SHOWN_EVERY_MS = 1_000;
const SILENCE_MS = 10_000;
const MILESTONE = /^Step \d+\/\d+/;

/** Shows what the server prepares: all milestones, of the rest one line a second, and never silence. */
export class StepProgress {
  readonly #narrator: Narrator;
  readonly #heartbeat: NodeJS.Timeout;
  #latest = 'Looking for what agents need';
  #shownAt = Date.now();

  constructor(narrator: Narrator) {
    this.#narrator = narrator;
    this.#heartbeat = setInterval(() => this.#show(), SILENCE_MS);
  }

  step(text: string): void {
    this.#latest = text;
    if (MILESTONE.test(text) || Date.now() - this.#shownAt >= SHOWN_EVERY_MS) this.#show();
  }

  #show(): void {
    this.#shownAt = Date.now();
    this.#narrator.progress(this.#latest);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#heartbeat);
  }
}
