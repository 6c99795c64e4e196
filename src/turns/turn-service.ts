import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { type AgentRecord, newAgent } from '../agents/agent.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import type { DiskWatch } from '../agents/disk-watch.ts';
import type { ApprovalRecord } from '../approvals/approval.ts';
import type { KeyedQueue } from '../concurrency/keyed-queue.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { AgentId } from '../identity/agent-id.ts';
import {
  type AdmissionOptions,
  admit,
  checkSize,
  earlierTurn,
} from './admission/turn-admission.ts';
import type { TurnApprovals } from './admission/turn-approvals.ts';
import { EventFeed, storedEvents } from './events/event-feed.ts';
import type { AcceptedTurn, LiveTurn } from './live-turn.ts';
import { type PreparedTurn, prepareTurn } from './prepared-turn.ts';
import type { Trials } from './trials/trials.ts';
import type { TurnRecord, TurnRequest } from './turn.ts';
import type { TurnKind } from './turn-kind.ts';
import type { TurnLifecycle } from './turn-lifecycle.ts';
import { detachedError, outcomeOf } from './turn-outcome.ts';
import type { TurnRegister } from './turn-register.ts';
import type { TurnRunner } from './turn-runner.ts';
import type { JournaledEvent, TurnQuery, TurnStore } from './turn-store.ts';

/** A turn that ran while no server did gets this long at least, whatever its time-out is. */
const RECOVERY_GRACE_SECONDS = 60;

type TurnServiceOptions = {
  kinds: readonly TurnKind[];
  register: TurnRegister;
  lifecycle: TurnLifecycle;
  runner: TurnRunner;
  trials: Trials;
  queues: KeyedQueue<AgentId>;
  approvals: TurnApprovals;
  store: { agents: AgentStore; turns: TurnStore };
  disk: Pick<DiskWatch, 'assertRoom'>;
  credentials: AdmissionOptions['credentials'];
  budgets: AdmissionOptions['budgets'];
  config: Pick<Config, 'TOOL_DEFAULT_TIMEOUT'> & AdmissionOptions['config'];
  log: Logger;
};

export type Waiter = {
  signal: AbortSignal;
  progress(message: string): void;
  /** Called for every approval that the turn waits for. */
  onApproval?(approval: ApprovalRecord): void;
};

/** Accepts turns, and lets callers wait for them, follow, steer and cancel them. */
export class TurnService {
  readonly #options: TurnServiceOptions;

  constructor(options: TurnServiceOptions) {
    this.#options = options;
    const { approvals, register } = options;
    approvals.listen((turnId, event) => register.live(turnId)?.events.emit(event));
  }

  /**
   * Writes a turn, queues it and returns at once. The same idempotency key returns the same turn. An
   * agent that does not exist is created as `agent`. Throws why the request is refused.
   */
  submit(request: TurnRequest, agent: AgentRecord = newAgent(request.agentId)): TurnRecord {
    const { kinds, lifecycle, store } = this.#options;
    const earlier = earlierTurn(this.#options, request);
    if (earlier) return this.get(earlier.turnId);
    lifecycle.assertOpen();
    const prepared = prepareTurn(kinds, request);
    this.#admit(request, prepared, agent);
    const { agentId, tool } = request;
    if (!store.agents.get(agentId)) store.agents.put(agent);
    const turnId = randomUUID();
    const createdAt = new Date();
    const record: TurnRecord = { turnId, agentId, tool, state: 'queued', request, createdAt };
    store.turns.put(record);
    this.#begin({ record, prepared, seconds: this.#secondsFor(request), recovered: false });
    return record;
  }

  /** Submits a turn and returns its result. `caller.signal` cancels the turn. Throws why there is no result. */
  async run(
    request: TurnRequest,
    agent: AgentRecord,
    caller: Waiter,
  ): Promise<Record<string, unknown>> {
    const { turnId } = this.submit(request, agent);
    const turn = this.#live(turnId);
    const cancel = () => turn?.cancel();
    caller.signal.addEventListener('abort', cancel);
    if (caller.signal.aborted) cancel();
    try {
      // Not the caller's signal: a cancelled call ends when its turn has.
      return outcomeOf(await this.wait(turnId, caller, new AbortController().signal));
    } finally {
      caller.signal.removeEventListener('abort', cancel);
    }
  }

  /** Waits for the end of a turn, or until `signal` aborts. Returns the turn as it is then. */
  async wait(turnId: string, waiter: Waiter, signal = waiter.signal): Promise<TurnRecord> {
    const turn = this.#live(turnId);
    if (!turn) return this.get(turnId);
    const stopProgress = turn.progress.listen((message) => waiter.progress(message));
    const onApproval = (approval: ApprovalRecord) => waiter.onApproval?.(approval);
    const stopApprovals = this.#options.approvals.watch(turnId, onApproval);
    try {
      await turn.untilEnded(signal);
    } finally {
      stopProgress();
      stopApprovals();
    }
    return this.#unlessDetached(turn);
  }

  /** Throws `turn_not_found`. */
  get(turnId: string): TurnRecord {
    return this.#options.register.get(turnId);
  }

  /** The newest first. */
  list(query: TurnQuery): TurnRecord[] {
    return this.#options.register.list(query);
  }

  /** The latest progress message of a turn and its time; undefined once the turn has ended. */
  latestProgress(turnId: string): { message: string; at: Date } | undefined {
    return this.#live(turnId)?.progress.latest;
  }

  /** How many calls of an agent wait or run. */
  load(agentId: AgentId): number {
    const { queues, approvals } = this.#options;
    return queues.load(agentId) + approvals.waiting(agentId);
  }

  /** Cancels a turn and waits for its end. Does nothing if the turn has ended. */
  async cancel(turnId: string): Promise<TurnRecord> {
    const turn = this.#live(turnId);
    if (!turn) return this.get(turnId);
    turn.cancel();
    await turn.ended;
    return this.#unlessDetached(turn);
  }

  /** Sends a message to Codex while it works on a turn. Throws `turn_not_running` or `prompt_too_large`. */
  async steer(turnId: string, message: string): Promise<TurnRecord> {
    checkSize(this.#options.config, { message });
    const record = this.get(turnId);
    const turn = this.#live(turnId);
    if (!turn?.steer) {
      const text = `The turn is ${record.state}: it takes messages only while Codex works.`;
      throw new AppError('turn_not_running', text);
    }
    await turn.steer(message);
    turn.events.emit({ type: 'steered', text: message });
    return record;
  }

  /** Yields the events of a turn after a number, later ones included. Ends with the turn or at `signal`. */
  async *follow(
    turnId: string,
    { after, signal }: { after: number; signal: AbortSignal },
  ): AsyncGenerator<JournaledEvent> {
    this.get(turnId);
    const turn = this.#live(turnId);
    const feed = new EventFeed();
    const stop = turn?.events.follow((entry) => feed.push(entry));
    void (turn ? turn.untilEnded(signal) : Promise.resolve()).then(() => feed.end());
    try {
      let last = after;
      for (const event of storedEvents(this.#options.store.turns, turnId, after)) {
        last = event.seq;
        yield event;
      }
      for await (const event of feed) if (event.seq > last) yield event;
    } finally {
      stop?.();
    }
  }

  /** Continues every turn that an earlier server left unfinished. */
  recover(): void {
    const { store, log } = this.#options;
    for (const record of store.turns.unfinished()) {
      const { turnId, state, request, createdAt } = record;
      // A clock that was set back since would give the turn the time that it was set back by.
      const passed = Math.max(0, (Date.now() - createdAt.getTime()) / 1000);
      const seconds = Math.max(RECOVERY_GRACE_SECONDS, this.#secondsFor(request) - passed);
      log.info({ turnId, state }, 'Recovering a turn');
      const prepared = this.#prepareAgain(record);
      if (prepared) this.#begin({ record, prepared, seconds, recovered: true });
    }
  }

  /** See {@link TurnLifecycle.close}. */
  close(how: { interrupt: boolean }): Promise<void> {
    return this.#options.lifecycle.close(how);
  }

  /** Returns undefined, and ends the turn, if this server does not know its tool or arguments. */
  #prepareAgain(record: TurnRecord): PreparedTurn | undefined {
    const { kinds, lifecycle } = this.#options;
    try {
      return prepareTurn(kinds, record.request);
    } catch (error) {
      lifecycle.reject(record, error);
      return undefined;
    }
  }

  #begin(accepted: AcceptedTurn): void {
    const { lifecycle, runner, trials } = this.#options;
    const { candidates } = accepted.record.request;
    lifecycle.begin(accepted, (turn) => (candidates ? trials.run(turn, this) : runner.run(turn)));
  }

  #admit(request: TurnRequest, prepared: PreparedTurn, agent: AgentRecord): void {
    const { register, queues, approvals, disk } = this.#options;
    const { agentId, principal } = request;
    const ahead = queues.ahead(agentId);
    const ownTurns = register.countOf(principal);
    admit(this.#options, { request, agent, queues: ahead, ownTurns });
    approvals.assertRoom(request, prepared);
    if (prepared.access === 'write') disk.assertRoom(agentId);
  }

  #live(turnId: string): LiveTurn | undefined {
    return this.#options.register.live(turnId);
  }

  #unlessDetached({ record, detached }: LiveTurn): TurnRecord {
    if (detached && !record.endedAt) throw detachedError(record);
    return this.get(record.turnId);
  }

  #secondsFor({ timeoutSeconds }: TurnRequest): number {
    return timeoutSeconds ?? this.#options.config.TOOL_DEFAULT_TIMEOUT;
  }
}
