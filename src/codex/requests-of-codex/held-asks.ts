import type { AskAnswer, CodexAsk } from './codex-ask.ts';

/** How long an ask of a turn that nobody takes up waits. */
const PATIENCE_MS = 60_000;
const MOST_HELD = 64;

type Held = { ask: CodexAsk; settle: (answer: AskAnswer | Promise<AskAnswer>) => void };

/**
 * What Codex asks again as soon as a thread is resumed, before the turn it belongs to is taken up.
 * What nobody takes up is declined: Codex would wait for ever.
 */
export class HeldAsks {
  readonly #held = new Map<string, Set<Held>>();
  #count = 0;

  hold(ask: CodexAsk): Promise<AskAnswer> {
    if (this.#count >= MOST_HELD) return Promise.resolve({ approve: false });
    const { promise, resolve } = Promise.withResolvers<AskAnswer>();
    const timer = setTimeout(() => held.settle({ approve: false }), PATIENCE_MS).unref();
    const waiting = this.#held.get(ask.threadId) ?? new Set();
    const held: Held = {
      ask,
      settle: (answer) => {
        clearTimeout(timer);
        if (waiting.delete(held)) this.#count -= 1;
        resolve(answer);
      },
    };
    this.#held.set(ask.threadId, waiting.add(held));
    this.#count += 1;
    return promise;
  }

  /** Hands over what a thread asked for by now. */
  release(threadId: string, answerer: (ask: CodexAsk) => Promise<AskAnswer>): void {
    const waiting = this.#held.get(threadId) ?? new Set();
    this.#held.delete(threadId);
    for (const held of [...waiting]) held.settle(answerer(held.ask));
  }
}
