import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { type AgentRecord, newAgent } from '../agents/agent.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { ApprovalRecord } from '../approvals/approval.ts';
import type { Approvals } from '../approvals/approvals.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Config } from '../config/config.ts';
import { AppError, reportError, toAppError } from '../errors.ts';
import type { AgentForks } from '../forks/agent-forks.ts';
import { Trials } from '../forks/trials.ts';
import type { Redactor } from '../redaction/redactor.ts';
import type { JournaledEvent, Store, TurnQuery } from '../store/store.ts';
import type { HostDirectories } from '../workspaces/host/host-directories.ts';
import type { Sources } from '../workspaces/sources/sources.ts';
import {
  type AdmissionOptions,
  admit,
  checkSize,
  earlierTurn,
} from './admission/turn-admission.ts';
import { TurnApprovals } from './admission/turn-approvals.ts';
import type { TurnQueues } from './admission/turn-queues.ts';
import { EventFeed, storedEvents } from './events/event-feed.ts';
import { TurnJournal } from './events/turn-journal.ts';
import { LateWrites } from './late-writes.ts';
import { LiveTurn } from './live-turn.ts';
import { endStateOf, type TurnRecord, type TurnRequest } from './turn.ts';
import { TurnAudit } from './turn-audit.ts';
import { TurnDeadline, untilStarted } from './turn-deadline.ts';
import { TurnExecutor } from './turn-executor.ts';
import type { TurnKind } from './turn-kind.ts';
import { goesOn, outcomeOf, resultOf } from './turn-outcome.ts';
import { accessOf, type TurnRunner } from './turn-runner.ts';

/** A turn that ran while no server did may be finished by then, whatever its time-out says. */
const RECOVERY_GRACE_SECONDS = 60;

type TurnServiceOptions = {
  kinds: readonly TurnKind[];
  agents: AgentManager;
  runner: TurnRunner;
  queues: TurnQueues;
  forks: AgentForks;
  store: Store;
  approvals: Approvals;
  sources: Pick<Sources, 'apply'>;
  directories: Pick<HostDirectories, 'attach'>;
  credentials: { readonly refusal?: AppError | undefined };
  budgets: AdmissionOptions['budgets'];
  config: Pick<Config, 'TOOL_DEFAULT_TIMEOUT' | 'CODEX_APPROVAL_MODE'> & AdmissionOptions['config'];
  redactor: Redactor;
  audit: AuditLog;
  log: Logger;
};

export type Waiter = {
  signal: AbortSignal;
  progress(message: string): void;
  /** Hears what the turn waits for people to approve. */
  onApproval?(approval: ApprovalRecord): void;
};

/** Takes work for agents: one turn at a time on each, in the order of the calls. Each ends, whatever happens. */
export class TurnService {
  readonly #options: TurnServiceOptions;
  readonly #kinds: ReadonlyMap<string, TurnKind>;
  readonly #queues: TurnQueues;
  readonly #executor: TurnExecutor;
  readonly #approvals: TurnApprovals;
  /** Turns that have not ended, or whose end is not written yet. */
  readonly #live = new Map<string, LiveTurn>();
  readonly #writes: LateWrites;
  readonly #audit: TurnAudit;
  readonly #shutdown = new AbortController();
  /** Whether turns go on without this server: what happens to them is for the next one to write. */
  #detached = false;

  constructor(options: TurnServiceOptions) {
    this.#options = options;
    this.#queues = options.queues;
    this.#writes = new LateWrites(options.log);
    this.#audit = new TurnAudit(options.audit);
    this.#approvals = new TurnApprovals({ ...options, audit: this.#audit });
    this.#approvals.listen((turnId, event) => this.#live.get(turnId)?.onEvent(event));
    this.#executor = new TurnExecutor({
      ...options,
      approvals: this.#approvals,
      trials: new Trials({ ...options, turns: this }),
      isDetached: () => this.#detached,
    });
    this.#kinds = new Map(options.kinds.map((kind) => [kind.name, kind]));
  }

  /**
   * Writes a turn down and queues it; answers at once. The same idempotency key answers the same
   * turn. An agent that does not exist is begun as `agent` says.
   */
  submit(request: TurnRequest, agent: AgentRecord = newAgent(request.agentId)): TurnRecord {
    const earlier = earlierTurn(this.#options, request);
    if (earlier) return this.get(earlier.turnId);
    if (this.#detached) throw new AppError('shutting_down', 'The server is stopping.');
    this.#shutdown.signal.throwIfAborted();
    const queues = this.#queues.ahead(request.agentId);
    admit(this.#options, { request, agent, queues, ownTurns: this.#turnsOf(request.principal) });
    this.#approvals.assertRoom(request, this.#kindOf(request.tool));
    if (this.#mayWrite(request)) this.#options.agents.disk.assertRoom(request.agentId);
    const { agents, turns } = this.#options.store;
    if (!agents.get(request.agentId)) agents.put(agent);
    const record: TurnRecord = {
      turnId: randomUUID(),
      agentId: request.agentId,
      tool: request.tool,
      state: 'queued',
      request,
      createdAt: new Date(),
    };
    turns.put(record);
    this.#enqueue(record, request.timeoutSeconds ?? this.#options.config.TOOL_DEFAULT_TIMEOUT);
    return record;
  }

  /** The turn that Codex works on for an agent, if it does. */
  current(agentId: string): TurnRecord | undefined {
    return [...this.#live.values()]
      .map(({ record }) => record)
      .find((record) => record.agentId === agentId && record.sent && !record.endedAt);
  }

  /** Waits for the end of a turn, or until `signal`; answers how the turn is then. */
  async wait(turnId: string, waiter: Waiter): Promise<TurnRecord> {
    const live = this.#live.get(turnId);
    if (!live) return this.get(turnId);
    const stop = live.listen((message) => waiter.progress(message));
    const onApproval = (approval: ApprovalRecord) => waiter.onApproval?.(approval);
    const stopWatching = this.#approvals.watch(turnId, onApproval);
    try {
      await untilAborted(live.ended, waiter.signal);
    } finally {
      stop();
      stopWatching();
    }
    if (this.#detached && !live.record.endedAt) throw goesOn(live.record);
    return this.get(turnId);
  }

  /** Submits and waits; cancelling the call cancels the turn. Throws why there is no result. */
  async run(
    request: TurnRequest,
    agent: AgentRecord,
    caller: Waiter,
  ): Promise<Record<string, unknown>> {
    const { turnId } = this.submit(request, agent);
    const live = this.#live.get(turnId);
    const cancel = () => live?.cancelled.abort();
    caller.signal.addEventListener('abort', cancel);
    if (caller.signal.aborted) cancel();
    try {
      // Not the caller's signal: a cancelled call ends when its turn has.
      const { signal } = new AbortController();
      const progress = (message: string) => caller.progress(message);
      const onApproval = (approval: ApprovalRecord) => caller.onApproval?.(approval);
      return outcomeOf(await this.wait(turnId, { signal, progress, onApproval }));
    } finally {
      caller.signal.removeEventListener('abort', cancel);
    }
  }

  /** Throws `turn_not_found`. */
  get(turnId: string): TurnRecord {
    const record = this.#live.get(turnId)?.record ?? this.#options.store.turns.get(turnId);
    if (record) return record;
    throw noTurn(turnId);
  }

  /** What a turn does now, in a sentence, and since when; undefined once it has ended. */
  latestProgress(turnId: string): { message: string; at: Date } | undefined {
    return this.#live.get(turnId)?.latest;
  }

  /** The newest first. */
  list(query: TurnQuery): TurnRecord[] {
    return this.#options.store.turns
      .list(query)
      .map((record) => this.#live.get(record.turnId)?.record ?? record);
  }

  /** Ends a turn that waits or runs, and waits for that; nothing if it has ended. */
  async cancel(turnId: string): Promise<TurnRecord> {
    const live = this.#live.get(turnId);
    live?.cancelled.abort();
    await live?.ended;
    if (live && !live.record.endedAt) throw goesOn(live.record);
    return this.get(turnId);
  }

  /** Says more to Codex while it works on a turn. Throws `turn_not_running` or `prompt_too_large`. */
  async steer(turnId: string, message: string): Promise<TurnRecord> {
    checkSize(this.#options.config, { message });
    const record = this.get(turnId);
    const live = this.#live.get(turnId);
    if (!live?.steer) {
      throw new AppError('turn_not_running', `The turn is ${record.state}: nothing hears you now.`);
    }
    await live.steer(message);
    live.onEvent({ type: 'steered', text: message });
    return record;
  }

  /** The events of a turn after a number, those to come included; ends with the turn or at `signal`. */
  async *follow(
    turnId: string,
    { after, signal }: { after: number; signal: AbortSignal },
  ): AsyncGenerator<JournaledEvent> {
    this.get(turnId);
    const live = this.#live.get(turnId);
    const fresh = new EventFeed();
    const stop = live?.watch((event) => fresh.push(event));
    void (live ? untilAborted(live.ended, signal) : Promise.resolve()).then(() => fresh.end());
    try {
      let last = after;
      for (const event of storedEvents(this.#options.store.turns, turnId, after)) {
        last = event.seq;
        yield event;
      }
      for await (const event of fresh) if (event.seq > last) yield event;
    } finally {
      stop?.();
    }
  }

  #turnsOf(principal: string | undefined): number {
    return [...this.#live.values()].filter(({ record }) => record.request.principal === principal)
      .length;
  }

  /** Calls that wait or run for an agent. */
  load(agentId: string): number {
    return this.#queues.load(agentId) + this.#approvals.waiting(agentId);
  }

  /** Takes up every turn that an earlier server left unfinished. */
  recover(): void {
    for (const record of this.#options.store.turns.unfinished()) {
      const { timeoutSeconds = this.#options.config.TOOL_DEFAULT_TIMEOUT } = record.request;
      // A clock that was set back since would give it the time that it was set back by.
      const passed = Math.max(0, (Date.now() - record.createdAt.getTime()) / 1000);
      this.#options.log.info({ turnId: record.turnId, state: record.state }, 'Taking up a turn');
      const seconds = Math.max(RECOVERY_GRACE_SECONDS, timeoutSeconds - passed);
      this.#enqueue(record, seconds, { recovered: true });
    }
  }

  /** Lets go of all turns, which run on and are taken up by the next server, or interrupts them. */
  async close({ interrupt }: { interrupt: boolean }): Promise<void> {
    if (interrupt) {
      this.#shutdown.abort(new AppError('shutting_down', 'The server is stopping.'));
    } else {
      this.#detached = true;
      for (const live of this.#live.values()) this.#letGo(live);
    }
    await Promise.all([...this.#live.values()].map(({ ended }) => ended));
    this.#writes.close();
  }

  #enqueue(record: TurnRecord, seconds: number, { recovered = false } = {}): void {
    const { store, redactor } = this.#options;
    const { turnId } = record;
    const earlier = storedEvents(store.turns, turnId, 0);
    const live = new LiveTurn(
      record,
      (onEvent) => new TurnJournal({ turnId, store: store.turns, earlier, onEvent }),
      {
        recovered,
        redact: (text) => redactor.text(text),
        witness: (event) => this.#audit.event(record, event),
      },
    );
    this.#live.set(turnId, live);
    void this.#settle(live, seconds);
  }

  async #settle(live: LiveTurn, seconds: number): Promise<void> {
    const { record } = live;
    using deadline = new TurnDeadline({
      seconds,
      caller: live.cancelled.signal,
      shutdown: this.#shutdown.signal,
    });
    const left = new AbortController();
    let dequeued = false;
    try {
      const kind = this.#kindOf(record.tool);
      const execute = () => {
        dequeued = true;
        return this.#executor.execute(live, kind, deadline);
      };
      // Where nothing is to be awaited, calls take their places in the order in which they come.
      const admission = this.#approvals.admission(live, kind, deadline);
      if (admission !== undefined) await admission;
      const { busy, waiting } = this.#queues.ahead(record.agentId);
      if (busy) live.say(`Waiting for ${waiting + 1} earlier calls`);
      const turn = this.#queues.add(record.agentId, execute, left.signal);
      const outcome = await untilStarted(deadline, turn, () => record.state !== 'queued');
      if (this.#detached) return;
      const warning = this.#options.agents.disk.warning(record.agentId);
      const notes = warning === undefined ? live.notes : [...live.notes, warning];
      const result = resultOf(record, outcome, notes);
      this.#end(live, { state: 'completed', result, usage: outcome.usage });
    } catch (error) {
      // Its place in the queue is for others; once it has begun, the queue waits for its end.
      if (!dequeued) left.abort();
      if (this.#detached) return;
      const { code } = toAppError(error);
      this.#options.log.warn(
        { turnId: record.turnId, agentId: record.agentId, err: error },
        'A turn failed',
      );
      this.#end(live, { state: endStateOf(code), error: reportError(error) });
    }
  }

  #mayWrite(request: TurnRequest): boolean {
    const kind = this.#kinds.get(request.tool);
    return kind !== undefined && accessOf({ kind, request }) === 'write';
  }

  #kindOf(tool: string): TurnKind {
    const kind = this.#kinds.get(tool);
    if (kind) return kind;
    throw new AppError('unknown_tool', `This server has no tool named "${tool}".`);
  }

  /** Callers have the outcome even while it cannot be written. */
  #end(live: LiveTurn, outcome: Partial<TurnRecord> & Pick<TurnRecord, 'state'>): void {
    const { record } = live;
    this.#approvals.over(record);
    Object.assign(record, outcome, { endedAt: new Date() });
    this.#audit.ended(record);
    this.#writes.write(record.turnId, () => {
      this.#options.store.turns.put(record);
      live.save();
      this.#live.delete(record.turnId);
    });
    live.finish();
    if (record.sent && this.#mayWrite(record.request)) {
      this.#options.agents.disk.turnEnded(record.agentId);
    }
  }

  #letGo(live: LiveTurn): void {
    if (!live.record.endedAt) this.#writes.write(live.record.turnId, () => live.save());
    live.finish();
  }
}

export function noTurn(turnId: string): AppError {
  return new AppError('turn_not_found', `There is no turn "${turnId}".`);
}

async function untilAborted(ended: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<void>();
  const onAbort = () => aborted.resolve();
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    await Promise.race([ended, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
