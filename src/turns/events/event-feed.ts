import type { JournaledEvent, TurnStore } from '../turn-store.ts';

const PAGE = 500;

/** A reader that falls so far behind is cut off; it can come back for the rest. */
const UNREAD_EVENTS = 1_000;

/** Hands events from those who make them to one who reads them when it can. */
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

  /** Lets the reader come to an end once it has all. */
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

/** The events of a turn that are in the store, after a number. */
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
