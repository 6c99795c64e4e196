import type { ServerRequest, ServerRequestAnswer, ServerRequestHandler } from './server-request.ts';

const HOLD_TIMEOUT_MS = 60_000;
const MAX_HELD = 64;

type Held = {
  request: ServerRequest;
  settle: (answer: ServerRequestAnswer | Promise<ServerRequestAnswer>) => void;
};

/**
 * Holds the requests that Codex repeats when a thread is resumed, until their turn is joined. A request
 * is declined after a timeout, since Codex would wait for ever.
 */
export class HeldRequests {
  readonly #held = new Map<string, Set<Held>>();
  #count = 0;

  hold(request: ServerRequest): Promise<ServerRequestAnswer> {
    if (this.#count >= MAX_HELD) return Promise.resolve({ approve: false });
    const { promise, resolve } = Promise.withResolvers<ServerRequestAnswer>();
    const timer = setTimeout(() => held.settle({ approve: false }), HOLD_TIMEOUT_MS).unref();
    const waiting = this.#held.get(request.threadId) ?? new Set();
    const held: Held = {
      request,
      settle: (answer) => {
        clearTimeout(timer);
        if (waiting.delete(held)) this.#count -= 1;
        resolve(answer);
      },
    };
    this.#held.set(request.threadId, waiting.add(held));
    this.#count += 1;
    return promise;
  }

  /** Answers the held requests of a thread. */
  release(threadId: string, handler: ServerRequestHandler): void {
    const waiting = this.#held.get(threadId) ?? new Set();
    this.#held.delete(threadId);
    for (const held of [...waiting]) held.settle(handler(held.request));
  }
}
