import type { Logger } from 'pino';
import type { DiskWatch } from '../agents/disk-watch.ts';
import type { Redactor } from '../audit/redaction/redactor.ts';
import { AppError, reportError, toAppError } from '../errors.ts';
import type { KeyedQueue } from '../keyed-queue.ts';
import type { Store } from '../store/store.ts';
import type { TurnApprovals } from './admission/turn-approvals.ts';
import { storedEvents } from './events/event-feed.ts';
import { TurnJournal } from './events/turn-journal.ts';
import { LiveTurn } from './live-turn.ts';
import { LateWrites } from './retried-writes.ts';
import { endStateOf, type TurnRecord } from './turn.ts';
import type { TurnAudit } from './turn-audit.ts';
import { TurnDeadline, untilStarted } from './turn-deadline.ts';
import { TurnExecutor, type TurnExecutorOptions } from './turn-executor.ts';
import type { TurnKinds } from './turn-kinds.ts';
import { resultOf } from './turn-outcome.ts';
import type { TurnRegister } from './turn-register.ts';

type TurnCourseOptions = Omit<TurnExecutorOptions, 'isDetached'> & {
  register: TurnRegister;
  kinds: TurnKinds;
  queues: KeyedQueue;
  approvals: TurnApprovals;
  store: Store;
  disk: Pick<DiskWatch, 'warning' | 'turnEnded'>;
  redactor: Redactor;
  audit: TurnAudit;
  log: Logger;
};

/**
 * Takes turns that were accepted to their end: through approval, queue and execution, one at a time on
 * each agent, in the order in which they began. Each ends, whatever happens.
 */
export class TurnCourse {
  readonly #options: TurnCourseOptions;
  readonly #executor: TurnExecutor;
  readonly #writes: LateWrites;
  readonly #shutdown = new AbortController();
  /** Whether turns go on without this server: what happens to them is for the next one to write. */
  #detached = false;

  constructor(options: TurnCourseOptions) {
    this.#options = options;
    this.#executor = new TurnExecutor({ ...options, isDetached: () => this.#detached });
    this.#writes = new LateWrites(options.log);
  }

  get isDetached(): boolean {
    return this.#detached;
  }

  /** Throws `shutting_down` once no turn is begun any more. */
  assertOpen(): void {
    if (this.#detached) throw new AppError('shutting_down', 'The server is stopping.');
    this.#shutdown.signal.throwIfAborted();
  }

  /** Lets a turn take its course, for so many seconds at most; nobody has to wait for it. */
  begin(record: TurnRecord, seconds: number, { recovered = false } = {}): void {
    const { store, redactor, audit, register } = this.#options;
    const { turnId } = record;
    const earlier = storedEvents(store.turns, turnId, 0);
    const live = new LiveTurn(
      record,
      (onEvent) => new TurnJournal({ turnId, store: store.turns, earlier, onEvent }),
      {
        recovered,
        redact: (text) => redactor.text(text),
        witness: (event) => audit.event(record, event),
      },
    );
    register.add(live);
    void this.#settle(live, seconds);
  }

  /** Lets go of all turns, which run on and are taken up by the next server, or interrupts them. */
  async close({ interrupt }: { interrupt: boolean }): Promise<void> {
    const { register } = this.#options;
    if (interrupt) {
      this.#shutdown.abort(new AppError('shutting_down', 'The server is stopping.'));
    } else {
      this.#detached = true;
      for (const live of register.allLive()) this.#letGo(live);
    }
    await Promise.all(register.allLive().map(({ ended }) => ended));
    this.#writes.close();
  }

  async #settle(live: LiveTurn, seconds: number): Promise<void> {
    const { approvals, kinds, queues, disk, log } = this.#options;
    const { record } = live;
    using deadline = new TurnDeadline({
      seconds,
      caller: live.cancelled.signal,
      shutdown: this.#shutdown.signal,
    });
    const left = new AbortController();
    let dequeued = false;
    try {
      const kind = kinds.of(record.tool);
      const execute = () => {
        dequeued = true;
        return this.#executor.execute(live, kind, deadline);
      };
      // Where nothing is to be awaited, calls take their places in the order in which they come.
      const admission = approvals.admission(live, kind, deadline);
      if (admission !== undefined) await admission;
      const { busy, waiting } = queues.ahead(record.agentId);
      if (busy) live.say(`Waiting for ${waiting + 1} earlier calls`);
      const turn = queues.add(record.agentId, execute, left.signal);
      const outcome = await untilStarted(deadline, turn, () => record.state !== 'queued');
      if (this.#detached) return;
      const warning = disk.warning(record.agentId);
      const notes = warning === undefined ? live.notes : [...live.notes, warning];
      const result = resultOf(record, outcome, notes);
      this.#end(live, { state: 'completed', result, usage: outcome.usage });
    } catch (error) {
      // Its place in the queue is for others; once it has begun, the queue waits for its end.
      if (!dequeued) left.abort();
      if (this.#detached) return;
      const { turnId, agentId } = record;
      log.warn({ turnId, agentId, err: error }, 'A turn failed');
      this.#end(live, { state: endStateOf(toAppError(error).code), error: reportError(error) });
    }
  }

  /** Callers have the outcome even while it cannot be written. */
  #end(live: LiveTurn, outcome: Partial<TurnRecord> & Pick<TurnRecord, 'state'>): void {
    const { approvals, audit, disk, kinds, register, store } = this.#options;
    const { record } = live;
    approvals.over(record);
    Object.assign(record, outcome, { endedAt: new Date() });
    audit.ended(record);
    this.#writes.write(record.turnId, () => {
      store.turns.put(record);
      live.save();
      register.remove(record);
    });
    live.finish();
    if (record.sent && kinds.mayWrite(record.request)) disk.turnEnded(record.agentId);
  }

  #letGo(live: LiveTurn): void {
    if (!live.record.endedAt) this.#writes.write(live.record.turnId, () => live.save());
    live.finish();
  }
}
