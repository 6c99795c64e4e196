import type { JournaledEvent, TurnStore } from '../turn-store.ts';
import type { TurnEvent } from './turn-event.ts';

/** Events come in bursts, and each write waits for the disk. */
const FLUSH_MS = 100;
/** How long a write that failed waits; a full disk stays full for a while. */
const RETRY_MS = 2_000;
/** A turn that does more is still finished and its result kept; only the tale of it is cut. */
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
  readonly #onEvent: (event: JournaledEvent) => void;
  #last = 0;
  #bytes = 0;
  #full = false;
  #pending: JournaledEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** `earlier` are the events that an earlier server wrote; none for a new turn. */
  constructor(options: {
    turnId: string;
    store: TurnStore;
    earlier: Iterable<JournaledEvent>;
    onEvent: (event: JournaledEvent) => void;
  }) {
    this.#turnId = options.turnId;
    this.#store = options.store;
    this.#onEvent = options.onEvent;
    for (const { seq, event } of options.earlier) this.#count(seq, event);
  }

  /** Nothing more is taken once the turn has as many events, or as much in them, as is kept. */
  add(event: TurnEvent): void {
    if (this.#stopped || this.#full) return;
    const next = this.#last + 1;
    const fits = next < EVENTS_KEPT && this.#bytes + sizeOf(event) <= BYTES_KEPT;
    const journaled = { seq: next, at: new Date(), event: fits ? event : CUT };
    this.#count(next, journaled.event);
    this.#pending.push(journaled);
    this.#timer ??= setTimeout(() => this.#flushOrRetry(), FLUSH_MS);
    this.#onEvent(journaled);
  }

  /** What could not be written yet, or not in time. */
  get unwritten(): readonly JournaledEvent[] {
    return this.#pending;
  }

  /** Writes what waits to be written. Throws if it cannot be; then it goes on to wait. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pending.length > 0) this.#store.appendEvents(this.#turnId, this.#pending);
    this.#pending = [];
  }

  /** Takes and writes no more by itself; what waits can still be flushed. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #flushOrRetry(): void {
    try {
      this.flush();
    } catch {
      // The turn goes on without; its end is told when it cannot be written either.
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
