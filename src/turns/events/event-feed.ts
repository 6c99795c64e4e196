import type { JournaledEvent, TurnStore } from '../turn-store.ts';

const PAGE = 500;

/** The feed of a slower reader ends. The reader can follow again for the rest. */
const UNREAD_EVENTS = 1_000;

/** A bounded queue of events for one asynchronous reader. */
export class EventFeed<Event = JournaledEvent> implements AsyncIterable<Event> {
  #unread: Event[] = [];
  #ended = false;
  #wake = Promise.withResolvers<void>();

  push(event: Event): void {
    if (this.#ended) return;
    if (this.#unread.length >= UNREAD_EVENTS) this.#ended = true;
    else this.#unread.push(event);
    this.#wake.resolve();
  }

  /** The reader ends once it has read all events. */
  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event> {
    for (;;) {
      yield* this.#unread.splice(0);
      if (this.#unread.length > 0) continue;
      if (this.#ended) return;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers<void>();
    }
  }
}

/** Yields the stored events of a turn after a number. */
export function* storedEvents(
  store: TurnStore,
  turnId: string,
  after: number,
): Generator<JournaledEvent> {
  for (let last = after; ; ) {
    const page = store.events(turnId, { after: last, limit: PAGE });
    yield* page;
    last = page.at(-1)?.seq ?? last;
    if (page.length < PAGE) return;
  }
}
