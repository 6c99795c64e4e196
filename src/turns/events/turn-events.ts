import type { JournaledEvent } from '../turn-store.ts';
import { boundEvent } from './event-bounds.ts';
import type { TurnEvent } from './turn-event.ts';
import type { TurnJournal } from './turn-journal.ts';

/** Gets a bounded and redacted event, and its entry unless the journal is full. */
type Listener = (event: TurnEvent, entry: JournaledEvent | undefined) => void;

/** The events of one turn: each is bounded, redacted, journaled, then passed to all listeners. */
export class TurnEvents {
  readonly #journal: TurnJournal;
  readonly #redact: (text: string) => string;
  readonly #listeners = new Set<Listener>();

  /** `redact` takes secrets out of a text. */
  constructor(journal: TurnJournal, redact: (text: string) => string) {
    this.#journal = journal;
    this.#redact = redact;
  }

  emit(event: TurnEvent): void {
    const bounded = boundEvent(event, this.#redact);
    const entry = this.#journal.add(bounded);
    for (const listener of this.#listeners) listener(bounded, entry);
  }

  /** Returns a function that ends the subscription. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Passes on every entry that the store does not have yet, later ones included; see {@link listen}. */
  follow(onEntry: (entry: JournaledEvent) => void): () => void {
    for (const entry of this.#journal.unwritten) onEntry(entry);
    return this.listen((_, entry) => entry && onEntry(entry));
  }

  /** Writes all entries. Throws if the store cannot. */
  flush(): void {
    this.#journal.flush();
  }

  /** Journals nothing more. */
  close(): void {
    this.#journal.stop();
  }
}
