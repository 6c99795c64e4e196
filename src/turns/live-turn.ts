import type { JournaledEvent } from '../store/store.ts';
import { untilAborted } from '../until-aborted.ts';
import type { Steer } from './asking/codex-asker.ts';
import { boundEvent } from './events/event-bounds.ts';
import { ProgressReporter } from './events/progress-reporter.ts';
import type { TurnEvent } from './events/turn-event.ts';
import type { TurnJournal } from './events/turn-journal.ts';
import type { TurnRecord } from './turn.ts';

type LiveTurnOptions = {
  recovered: boolean;
  /** Takes secrets out of a text of an event, before anybody hears of it. */
  redact: (text: string) => string;
  /** Hears every event, those beyond what the journal keeps too. */
  witness: (event: TurnEvent) => void;
};

/** A turn that has not ended: who listens to it, and how it can be cancelled. */
export class LiveTurn {
  readonly record: TurnRecord;
  /** Whether an earlier server accepted it. */
  readonly recovered: boolean;
  /** Settles when the turn has ended and its record says how. Never rejects. */
  readonly ended: Promise<void>;
  readonly cancelled = new AbortController();
  /** What the caller has to know besides the result. */
  readonly notes: string[] = [];
  /** Says more to Codex, while it works. */
  steer: Steer | undefined;
  readonly #progress = new ProgressReporter((message) => this.#tell(message));
  readonly #listeners = new Set<(message: string) => void>();
  readonly #watchers = new Set<(event: JournaledEvent) => void>();
  readonly #journal: TurnJournal;
  readonly #options: LiveTurnOptions;
  /** For so many decisions the turn waits. */
  #decisions = 0;
  readonly #end = Promise.withResolvers<void>();

  constructor(
    record: TurnRecord,
    journalFor: (onEvent: (event: JournaledEvent) => void) => TurnJournal,
    options: LiveTurnOptions,
  ) {
    this.#options = options;
    this.recovered = options.recovered;
    this.record = record;
    this.ended = this.#end.promise;
    this.#journal = journalFor((event) => {
      for (const watcher of this.#watchers) watcher(event);
    });
  }

  readonly onEvent = (event: TurnEvent): void => {
    const { redact, witness } = this.#options;
    const bounded = boundEvent(event, redact);
    witness(bounded);
    this.#journal.add(bounded);
    this.#progress.event(bounded);
  };

  say(message: string): void {
    this.#progress.say(message);
  }

  /** Waits for people: the turn says so meanwhile. */
  async whileWaiting<T>(decision: Promise<T>): Promise<T> {
    this.#decisions += 1;
    this.record.state = 'waiting_approval';
    try {
      return await decision;
    } finally {
      this.#decisions -= 1;
      if (this.#decisions === 0 && !this.record.endedAt) this.record.state = 'running';
    }
  }

  /** Says what the caller has to know, with the result too. */
  note(note: string): void {
    this.notes.push(note);
    this.warn(note);
  }

  /** Says what is not as usual, for good. */
  warn(message: string): void {
    this.onEvent({ type: 'warning', message });
    this.say(message);
  }

  /** What was said last, and when. */
  get latest(): { message: string; at: Date } {
    const { latest: message, latestAt: at } = this.#progress;
    return { message, at };
  }

  /** Hears in sentences what happens, beginning with the last; call what is returned to stop. */
  listen(listener: (message: string) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#progress.latest);
    return () => this.#listeners.delete(listener);
  }

  /** Hears every event that the store does not have, from now on too; call what is returned to stop. */
  watch(watcher: (event: JournaledEvent) => void): () => void {
    for (const event of this.#journal.unwritten) watcher(event);
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Waits for the end of the turn, or until `signal`. */
  async untilEnded(signal: AbortSignal): Promise<void> {
    await untilAborted(this.ended, signal).catch(() => undefined);
  }

  /** Writes the events so far. Throws if they cannot be written. */
  save(): void {
    this.#journal.flush();
  }

  /** Tells everybody that it has ended; what it did since the last save is kept for the next. */
  finish(): void {
    this.#journal.stop();
    this.#progress[Symbol.dispose]();
    this.#end.resolve();
  }

  #tell(message: string): void {
    for (const listener of this.#listeners) listener(message);
  }
}
