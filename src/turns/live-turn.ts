import { untilAborted } from '../concurrency/until-aborted.ts';
import { AppError } from '../errors.ts';
import { ProgressReporter } from './events/progress-reporter.ts';
import type { TurnEvents } from './events/turn-events.ts';
import type { PreparedTurn } from './prepared-turn.ts';
import type { TurnRecord } from './turn.ts';
import { TurnDeadline } from './turn-deadline.ts';

export type AcceptedTurn = {
  record: TurnRecord;
  prepared: PreparedTurn;
  /** Bounds the turn from now on. */
  seconds: number;
  /** Whether an earlier server accepted the turn. */
  recovered: boolean;
};

/** A turn of this server that has not ended. */
export class LiveTurn {
  readonly record: TurnRecord;
  readonly prepared: PreparedTurn;
  readonly recovered: boolean;
  readonly events: TurnEvents;
  readonly deadline: TurnDeadline;
  readonly progress = new ProgressReporter();
  /** Settles when the record has the end of the turn. Never rejects. */
  readonly ended: Promise<void>;
  /** Warnings for the caller that belong to the result. */
  readonly notes: string[] = [];
  /** Sends a message to Codex. Undefined while Codex does not work on the turn. */
  steer: ((message: string) => Promise<void>) | undefined;
  /** Whether the turn runs on without this server, and the next server writes what happens to it. */
  detached = false;
  /** Whether the turn ends itself at its deadline. Otherwise it only waits, and is given up then. */
  endsItself = false;
  /** Whether the connection to the agent broke and was not opened again. */
  disconnected = false;
  #pendingDecisions = 0;
  readonly #end = Promise.withResolvers<void>();

  constructor({ record, prepared, seconds, recovered }: AcceptedTurn, events: TurnEvents) {
    this.record = record;
    this.prepared = prepared;
    this.events = events;
    this.recovered = recovered;
    this.deadline = new TurnDeadline(seconds);
    this.ended = this.#end.promise;
    events.listen((event) => this.progress.reportEvent(event));
  }

  cancel(): void {
    this.deadline.abort(new AppError('cancelled', 'The call was cancelled.'));
  }

  /** The connection to the agent is open. */
  connected(): void {
    this.endsItself = true;
    this.disconnected = false;
  }

  /** Waits for a decision of people. The turn is `waiting_approval` meanwhile. */
  async whileWaiting<T>(decision: Promise<T>): Promise<T> {
    this.#pendingDecisions += 1;
    this.record.state = 'waiting_approval';
    try {
      return await decision;
    } finally {
      this.#pendingDecisions -= 1;
      if (this.#pendingDecisions === 0 && !this.record.endedAt) this.record.state = 'running';
    }
  }

  /** Warns the caller now and in the result. */
  note(note: string): void {
    this.notes.push(note);
    this.warn(note);
  }

  warn(message: string): void {
    this.events.emit({ type: 'warning', message });
    this.progress.report(message);
  }

  /** Waits for the end of the turn, or until `signal` aborts. */
  async untilEnded(signal: AbortSignal): Promise<void> {
    await untilAborted(this.ended, signal).catch(() => undefined);
  }

  /** Settles `ended`. Events that are not written yet can still be flushed. */
  finish(): void {
    this.deadline[Symbol.dispose]();
    this.events.close();
    this.progress[Symbol.dispose]();
    this.#end.resolve();
  }
}
