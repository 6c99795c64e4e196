import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { type AgentRecord, newAgent } from '../agents/agent.ts';
import type { AgentForks } from '../agents/agent-forks.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { HostDirectories } from '../agents/host/host-directories.ts';
import type { Sources } from '../agents/sources/sources.ts';
import type { ApprovalRecord } from '../approvals/approval.ts';
import type { Approvals } from '../approvals/approvals.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Redactor } from '../audit/redaction/redactor.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { KeyedQueue } from '../keyed-queue.ts';
import type { JournaledEvent, Store, TurnQuery } from '../store/store.ts';
import {
  type AdmissionOptions,
  admit,
  checkSize,
  earlierTurn,
} from './admission/turn-admission.ts';
import { TurnApprovals } from './admission/turn-approvals.ts';
import { EventFeed, storedEvents } from './events/event-feed.ts';
import { Trials } from './trials/trials.ts';
import type { TurnRecord, TurnRequest } from './turn.ts';
import { TurnAudit } from './turn-audit.ts';
import type { TurnKind } from './turn-kind.ts';
import { TurnKinds } from './turn-kinds.ts';
import { TurnCourse } from './turn-lifecycle.ts';
import { goesOn, outcomeOf } from './turn-outcome.ts';
import { TurnRegister } from './turn-register.ts';
import type { TurnRunner } from './turn-runner.ts';

/** A turn that ran while no server did may be finished by then, whatever its time-out says. */
const RECOVERY_GRACE_SECONDS = 60;

type TurnServiceOptions = {
  kinds: readonly TurnKind[];
  agents: AgentManager;
  runner: TurnRunner;
  queues: KeyedQueue;
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

/** Takes work for agents as turns, and lets callers wait for them, follow, steer and cancel them. */
export class TurnService {
  readonly #options: TurnServiceOptions;
  readonly #kinds: TurnKinds;
  readonly #register: TurnRegister;
  readonly #approvals: TurnApprovals;
  readonly #course: TurnCourse;

  constructor(options: TurnServiceOptions) {
    this.#options = options;
    const kinds = new TurnKinds(options.kinds);
    const register = new TurnRegister(options.store.turns);
    const audit = new TurnAudit(options.audit);
    const approvals = new TurnApprovals({ ...options, audit });
    approvals.listen((turnId, event) => register.live(turnId)?.onEvent(event));
    const trials = new Trials({ ...options, turns: this });
    const { disk } = options.agents;
    this.#course = new TurnCourse({
      ...options,
      ...{ kinds, register, audit, approvals, trials, disk },
    });
    this.#kinds = kinds;
    this.#register = register;
    this.#approvals = approvals;
  }

  /**
   * Writes a turn down and queues it; answers at once. The same idempotency key answers the same
   * turn. An agent that does not exist is begun as `agent` says.
   */
  submit(request: TurnRequest, agent: AgentRecord = newAgent(request.agentId)): TurnRecord {
    const earlier = earlierTurn(this.#options, request);
    if (earlier) return this.get(earlier.turnId);
    this.#course.assertOpen();
    this.#admit(request, agent);
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
    this.#course.begin(record, this.#secondsFor(request));
    return record;
  }

  /** Submits and waits; cancelling the call cancels the turn. Throws why there is no result. */
  async run(
    request: TurnRequest,
    agent: AgentRecord,
    caller: Waiter,
  ): Promise<Record<string, unknown>> {
    const { turnId } = this.submit(request, agent);
    const live = this.#register.live(turnId);
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

  /** Waits for the end of a turn, or until `signal`; answers how the turn is then. */
  async wait(turnId: string, waiter: Waiter): Promise<TurnRecord> {
    const live = this.#register.live(turnId);
    if (!live) return this.get(turnId);
    const stop = live.listen((message) => waiter.progress(message));
    const onApproval = (approval: ApprovalRecord) => waiter.onApproval?.(approval);
    const stopWatching = this.#approvals.watch(turnId, onApproval);
    try {
      await live.untilEnded(waiter.signal);
    } finally {
      stop();
      stopWatching();
    }
    if (this.#course.isDetached && !live.record.endedAt) throw goesOn(live.record);
    return this.get(turnId);
  }

  /** Throws `turn_not_found`. */
  get(turnId: string): TurnRecord {
    return this.#register.get(turnId);
  }

  /** The newest first. */
  list(query: TurnQuery): TurnRecord[] {
    return this.#register.list(query);
  }

  /** The turn that Codex works on for an agent, if it does. */
  current(agentId: string): TurnRecord | undefined {
    return this.#register.current(agentId);
  }

  /** What a turn does now, in a sentence, and since when; undefined once it has ended. */
  latestProgress(turnId: string): { message: string; at: Date } | undefined {
    return this.#register.live(turnId)?.latest;
  }

  /** Calls that wait or run for an agent. */
  load(agentId: string): number {
    return this.#options.queues.load(agentId) + this.#approvals.waiting(agentId);
  }

  /** Ends a turn that waits or runs, and waits for that; nothing if it has ended. */
  async cancel(turnId: string): Promise<TurnRecord> {
    const live = this.#register.live(turnId);
    live?.cancelled.abort();
    await live?.ended;
    if (live && !live.record.endedAt) throw goesOn(live.record);
    return this.get(turnId);
  }

  /** Says more to Codex while it works on a turn. Throws `turn_not_running` or `prompt_too_large`. */
  async steer(turnId: string, message: string): Promise<TurnRecord> {
    checkSize(this.#options.config, { message });
    const record = this.get(turnId);
    const live = this.#register.live(turnId);
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
    const live = this.#register.live(turnId);
    const fresh = new EventFeed();
    const stop = live?.watch((event) => fresh.push(event));
    void (live ? live.untilEnded(signal) : Promise.resolve()).then(() => fresh.end());
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

  /** Takes up every turn that an earlier server left unfinished. */
  recover(): void {
    for (const record of this.#options.store.turns.unfinished()) {
      const { turnId, state, request, createdAt } = record;
      // A clock that was set back since would give it the time that it was set back by.
      const passed = Math.max(0, (Date.now() - createdAt.getTime()) / 1000);
      this.#options.log.info({ turnId, state }, 'Taking up a turn');
      const seconds = Math.max(RECOVERY_GRACE_SECONDS, this.#secondsFor(request) - passed);
      this.#course.begin(record, seconds, { recovered: true });
    }
  }

  /** Lets go of all turns, which run on and are taken up by the next server, or interrupts them. */
  close(how: { interrupt: boolean }): Promise<void> {
    return this.#course.close(how);
  }

  /** Throws why the work cannot be taken. */
  #admit(request: TurnRequest, agent: AgentRecord): void {
    const { agentId, principal } = request;
    const queues = this.#options.queues.ahead(agentId);
    const ownTurns = this.#register.countOf(principal);
    admit(this.#options, { request, agent, queues, ownTurns });
    this.#approvals.assertRoom(request, this.#kinds.of(request.tool));
    if (this.#kinds.mayWrite(request)) this.#options.agents.disk.assertRoom(agentId);
  }

  #secondsFor({ timeoutSeconds }: TurnRequest): number {
    return timeoutSeconds ?? this.#options.config.TOOL_DEFAULT_TIMEOUT;
  }
}
