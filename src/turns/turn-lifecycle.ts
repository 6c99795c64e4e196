import type { Logger } from 'pino';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { Redactor } from '../audit/redaction/redactor.ts';
import type { KeyedQueue } from '../concurrency/keyed-queue.ts';
import { AppError } from '../errors.ts';
import type { AgentId } from '../identity/agent-id.ts';
import type { TurnApprovals } from './admission/turn-approvals.ts';
import { TurnEvents } from './events/turn-events.ts';
import { TurnJournal } from './events/turn-journal.ts';
import { abandonTurn } from './files/files-after.ts';
import { type AcceptedTurn, LiveTurn } from './live-turn.ts';
import { RetriedWrites } from './retried-writes.ts';
import { isNoConnection, retryUntilDeadline } from './retry-until-deadline.ts';
import type { TurnRecord } from './turn.ts';
import type { TurnAudit } from './turn-audit.ts';
import { untilStarted } from './turn-deadline.ts';
import {
  completed,
  detachedError,
  failed,
  type TurnEnd,
  type TurnOutcome,
} from './turn-outcome.ts';
import type { TurnRegister } from './turn-register.ts';
import type { TurnStore } from './turn-store.ts';

type TurnLifecycleOptions = {
  agents: AgentManager;
  register: TurnRegister;
  queues: KeyedQueue<AgentId>;
  approvals: TurnApprovals;
  store: { turns: TurnStore };
  redactor: Pick<Redactor, 'text'>;
  audit: TurnAudit;
  log: Logger;
};

/** One attempt to run a turn, on an agent that has nothing else to do. */
type Run = (turn: LiveTurn) => Promise<TurnOutcome>;

/**
 * Takes accepted turns to their end: approval, queue, attempts until the deadline, end. An agent runs
 * one turn at a time, in the order of the calls. Each turn gets an end state, whatever happens.
 */
export class TurnLifecycle {
  readonly #options: TurnLifecycleOptions;
  readonly #writes: RetriedWrites;
  #closed = false;

  constructor(options: TurnLifecycleOptions) {
    this.#options = options;
    this.#writes = new RetriedWrites(options.log);
  }

  /** Throws `shutting_down` once the server stops. */
  assertOpen(): void {
    if (this.#closed) throw stopping();
  }

  /** Starts the lifecycle of a turn and returns at once. */
  begin(accepted: AcceptedTurn, run: Run): void {
    const { store, redactor, audit, register } = this.#options;
    const { record } = accepted;
    const journal = new TurnJournal(store.turns, record.turnId);
    const events = new TurnEvents(journal, (text) => redactor.text(text));
    events.listen((event) => audit.event(record, event));
    const turn = new LiveTurn(accepted, events);
    register.add(turn);
    void this.#runToEnd(turn, run);
  }

  /** Ends a turn that an earlier server accepted and this one cannot run. */
  reject(record: TurnRecord, error: unknown): void {
    const { turnId, agentId } = record;
    this.#options.log.warn({ turnId, agentId, err: error }, 'A turn could not be recovered');
    this.#end(record, failed(error), () => undefined);
  }

  /** Detaches all turns, which run on and are recovered by the next server, or interrupts them. */
  async close({ interrupt }: { interrupt: boolean }): Promise<void> {
    const turns = this.#options.register.allLive();
    this.#closed = true;
    for (const turn of turns) {
      if (interrupt) turn.deadline.abort(stopping());
      else this.#detach(turn);
    }
    await Promise.all(turns.map(({ ended }) => ended));
    this.#writes.close();
  }

  async #runToEnd(turn: LiveTurn, run: Run): Promise<void> {
    const { agents, log } = this.#options;
    const { record, notes } = turn;
    const { turnId, agentId } = record;
    const end = await this.#runInQueue(turn, run)
      .then((outcome) => {
        const warning = agents.disk.warning(agentId);
        return completed(record, outcome, warning === undefined ? notes : [...notes, warning]);
      })
      .catch((error: unknown) => {
        if (!turn.detached) log.warn({ turnId, agentId, err: error }, 'A turn failed');
        return failed(error);
      });
    if (turn.detached) return;
    this.#end(record, end, () => turn.events.flush());
    turn.finish();
    if (record.sent && turn.prepared.access === 'write') agents.disk.turnEnded(agentId);
  }

  /** Waits for approvals and for earlier turns of the agent, then runs the turn. */
  async #runInQueue(turn: LiveTurn, run: Run): Promise<TurnOutcome> {
    const { approvals, queues } = this.#options;
    const { record, deadline, progress } = turn;
    const approval = approvals.approval(turn);
    // Without an approval the turn enters the queue at once, so that the order of the calls is kept.
    if (approval !== undefined) await approval;
    const { busy, waiting } = queues.ahead(record.agentId);
    if (busy) progress.report(`Waiting for ${waiting + 1} earlier calls`);
    const leaving = new AbortController();
    let dequeued = false;
    const work = () => {
      dequeued = true;
      return this.#attempt(turn, run);
    };
    const queued = queues.add(record.agentId, work, leaving.signal);
    try {
      return await untilStarted(deadline, queued, () => record.state !== 'queued');
    } catch (error) {
      // Once the turn has left the queue, the next one waits for its end.
      if (!dequeued) leaving.abort();
      throw error;
    }
  }

  /** Repeats attempts while there is no connection to the agent. Throws at the deadline at the latest. */
  async #attempt(turn: LiveTurn, run: Run): Promise<TurnOutcome> {
    const { record, deadline } = turn;
    let isOver = false;
    const attempt = async () => {
      turn.endsItself = false;
      if (turn.detached) throw detachedError(record);
      deadline.signal.throwIfAborted();
      return run(turn);
    };
    const attempts = retryUntilDeadline(attempt, {
      deadline,
      // A turn that was sent may run, and the caller of a recovered one is gone.
      mayAwaitEngine: () => turn.recovered || record.sent !== undefined,
      isDetached: () => turn.detached,
      onWait: (reason) => this.#onDisconnected(turn, reason),
    });
    const work = attempts.catch(async (error: unknown) => {
      const isGivenUp = turn.disconnected || isNoConnection(error);
      if (isGivenUp && !isOver && !turn.detached) await this.#abandon(turn);
      throw error;
    });
    try {
      return await untilStarted(deadline, work, () => turn.endsItself);
    } finally {
      isOver = true;
    }
  }

  #onDisconnected(turn: LiveTurn, reason: AppError): void {
    const { turnId, agentId } = turn.record;
    if (!turn.disconnected) {
      turn.warn(`${reason.message} The turn is taken up as soon as that is possible.`);
    }
    turn.disconnected = true;
    // The turn waits for its connection, which ends at the deadline.
    turn.endsItself = true;
    this.#options.log.warn({ turnId, agentId, err: reason }, 'No connection to a turn; retrying');
  }

  async #abandon({ record, prepared }: LiveTurn): Promise<void> {
    const { agents, log } = this.#options;
    const { turnId, agentId, sent } = record;
    if (!sent) return;
    try {
      await abandonTurn(agents, record, prepared.access);
    } catch (error) {
      log.warn({ turnId, agentId, err: error }, 'An abandoned turn may still run');
    }
  }

  /** Callers get the end of a turn even while it cannot be written. */
  #end(record: TurnRecord, end: TurnEnd, flushEvents: () => void): void {
    const { approvals, audit, register, store } = this.#options;
    approvals.supersede(record);
    Object.assign(record, end, { endedAt: new Date() });
    audit.ended(record);
    this.#writes.write(record.turnId, () => {
      store.turns.put(record);
      flushEvents();
      register.remove(record);
    });
  }

  #detach(turn: LiveTurn): void {
    turn.detached = true;
    const { record, events } = turn;
    if (!record.endedAt) this.#writes.write(record.turnId, () => events.flush());
    turn.finish();
  }
}

function stopping(): AppError {
  return new AppError('shutting_down', 'The server is stopping.');
}
