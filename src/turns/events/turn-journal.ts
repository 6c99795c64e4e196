import type { JournaledEvent, TurnStore } from '../turn-store.ts';
import { storedEvents } from './event-feed.ts';
import type { TurnEvent } from './turn-event.ts';

/** Events come in bursts, and each write waits for the disk. */
const FLUSH_MS = 100;
/** How long a failed write waits: a full disk stays full for a while. */
const RETRY_MS = 2_000;
/** A turn with more events is finished, and its result is kept; only further events are not. */
const EVENTS_KEPT = 5_000;
const BYTES_KEPT = 8 * 1024 * 1024;
const CUT = {
  type: 'warning',
  message: 'What the turn does from here is not recorded.',
} satisfies TurnEvent;

/** Numbers the events of one turn and writes them to the store, in order and without gaps. */
export class TurnJournal {
  readonly #turnId: string;
  readonly #store: TurnStore;
  #last = 0;
  #bytes = 0;
  #full = false;
  #pending: JournaledEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** Continues after the events that the store has of the turn. */
  constructor(store: TurnStore, turnId: string) {
    this.#turnId = turnId;
    this.#store = store;
    for (const { seq, event } of storedEvents(store, turnId, 0)) this.#count(seq, event);
  }

  /** Returns the entry of the event, or undefined once the journal is full or was stopped. */
  add(event: TurnEvent): JournaledEvent | undefined {
    if (this.#stopped || this.#full) return undefined;
    const next = this.#last + 1;
    const fits = next < EVENTS_KEPT && this.#bytes + sizeOf(event) <= BYTES_KEPT;
    const journaled = { seq: next, at: new Date(), event: fits ? event : CUT };
    this.#count(next, journaled.event);
    this.#pending.push(journaled);
    this.#timer ??= setTimeout(() => this.#flushOrRetry(), FLUSH_MS);
    return journaled;
  }

  /** Entries that are not written yet. */
  get unwritten(): readonly JournaledEvent[] {
    return this.#pending;
  }

  /** Writes all entries. Throws if the store cannot, and keeps the entries then. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pending.length > 0) this.#store.appendEvents(this.#turnId, this.#pending);
    this.#pending = [];
  }

  /** Adds and writes nothing more by itself. Entries that are not written can still be flushed. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #flushOrRetry(): void {
    try {
      this.flush();
    } catch {
      // The turn continues without its events; the lifecycle reports an end that cannot be written.
      this.#timer = setTimeout(() => this.#flushOrRetry(), RETRY_MS);
    }
  }

  #count(seq: number, event: TurnEvent): void {
    this.#last = seq;
    this.#bytes += sizeOf(event);
    if (seq >= EVENTS_KEPT || isCut(event)) this.#full = true;
  }
}

function isCut(event: TurnEvent): boolean {
  return event.type === 'warning' && event.message === CUT.message;
}

function sizeOf(event: TurnEvent): number {
  return JSON.stringify(event).length;
}
