import type { Logger } from 'pino';
import type { AgentStatus } from '../agents/agent.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import type { HostDirectories } from '../agents/host/host-directories.ts';
import type { Sources } from '../agents/sources/sources.ts';
import type { AppError } from '../errors.ts';
import type { TurnApprovals } from './admission/turn-approvals.ts';
import type { LiveTurn } from './live-turn.ts';
import { isNoConnection, persevere } from './retry-until-deadline.ts';
import type { Trials } from './trials/trials.ts';
import type { TurnRecord } from './turn.ts';
import { type TurnDeadline, untilStarted } from './turn-deadline.ts';
import type { TurnKind } from './turn-kind.ts';
import { goesOn } from './turn-outcome.ts';
import type { TurnOutcome, TurnRunner } from './turn-runner.ts';
import type { TurnStore } from './turn-store.ts';

const AWAKE: ReadonlySet<AgentStatus> = new Set(['busy', 'idle']);

export type TurnExecutorOptions = {
  agents: AgentManager;
  runner: TurnRunner;
  trials: Trials;
  store: { agents: AgentStore; turns: TurnStore; transaction<T>(work: () => T): T };
  approvals: TurnApprovals;
  sources: Pick<Sources, 'apply'>;
  directories: Pick<HostDirectories, 'attach'>;
  /** Whether turns go on without this server. */
  isDetached: () => boolean;
  log: Logger;
};

/** Brings a turn to its end whose time has come: wakes the agent, and tries again while there is no way to it. */
export class TurnExecutor {
  readonly #options: TurnExecutorOptions;

  constructor(options: TurnExecutorOptions) {
    this.#options = options;
  }

  /** Throws why there is no outcome, at the deadline at the latest. */
  async execute(live: LiveTurn, kind: TurnKind, deadline: TurnDeadline): Promise<TurnOutcome> {
    const { record } = live;
    // A turn that Codex works on ends itself at the deadline, and in order; one without a connection too.
    let endsItself = false;
    let lost = false;
    let over = false;
    const attempt = () => {
      endsItself = false;
      return this.#attempt(live, kind, deadline, () => {
        endsItself = true;
        lost = false;
      });
    };
    const work = persevere(attempt, {
      deadline,
      mayAwaitEngine: () => live.recovered || record.sent !== undefined,
      isOver: this.#options.isDetached,
      onWait: (reason) => {
        if (!lost) live.warn(`${reason.message} The turn is taken up as soon as that is possible.`);
        this.#logLoss(live, reason);
        endsItself = true;
        lost = true;
      },
    }).catch(async (error: unknown) => {
      const isGivenUp = !over && (lost || isNoConnection(error));
      if (isGivenUp) await this.#abandon(live, kind);
      throw error;
    });
    try {
      return await untilStarted(deadline, work, () => endsItself);
    } finally {
      over = true;
    }
  }

  async #attempt(
    live: LiveTurn,
    kind: TurnKind,
    deadline: TurnDeadline,
    onConnected: () => void,
  ): Promise<TurnOutcome> {
    const { agents, runner, store, approvals, isDetached } = this.#options;
    const { record } = live;
    if (isDetached()) throw goesOn(record);
    deadline.signal.throwIfAborted();
    // Before the agent can reach the model again, which it may wait for.
    if (record.sent && !record.sent.before) runner.holdBack(record.agentId);
    this.#attach(record);
    if (record.request.candidates) {
      onConnected();
      if (record.request.source) {
        await agents.withAgent(record.agentId, () => this.#fill(live, deadline));
      }
      return this.#try(live, deadline);
    }
    if (!AWAKE.has(agents.statusOf(record.agentId))) live.say('Waking the agent');
    return agents.withAgent(record.agentId, async (link) => {
      deadline.signal.throwIfAborted();
      onConnected();
      await this.#fill(live, deadline);
      record.state = 'running';
      return runner.run(link, {
        turnId: record.turnId,
        request: record.request,
        kind,
        sent: record.sent,
        deadline,
        detached: isDetached,
        onEvent: live.onEvent,
        onNote: (note) => live.note(note),
        onSteerable: (steer) => {
          live.steer = steer;
        },
        onAsk: (ask) => approvals.ask(live, ask),
        journal: (sent) => {
          store.transaction(() => {
            store.agents.touch(record.agentId, new Date());
            store.turns.put({ ...record, sent });
          });
          record.sent = sent;
        },
      });
    });
  }

  /** Before the agent wakes: its container is made with the directory. */
  #attach({ agentId, sent, request }: TurnRecord): void {
    const { path } = request.source ?? {};
    if (path !== undefined && !sent) this.#options.directories.attach(agentId, path);
  }

  /** What Codex was sent already, an earlier attempt has filled. */
  async #fill(live: LiveTurn, { signal }: TurnDeadline): Promise<void> {
    const { agentId, sent, request } = live.record;
    if (!request.source || request.source.path !== undefined || sent) return;
    live.say('Filling the workspace');
    const { notes } = await this.#options.sources.apply(agentId, request.source, signal);
    for (const note of notes) live.note(note);
    signal.throwIfAborted();
  }

  #try(live: LiveTurn, deadline: TurnDeadline): Promise<TurnOutcome> {
    const { record } = live;
    record.state = 'running';
    return this.#options.trials.run({
      record,
      deadline,
      say: (message) => live.say(message),
      note: (note) => live.note(note),
    });
  }

  /** Has what a turn did undone that nobody will join any more, if that is asked of its kind. */
  async #abandon({ record }: LiveTurn, kind: TurnKind): Promise<void> {
    const { runner, isDetached } = this.#options;
    const { request, sent } = record;
    if (sent && !isDetached()) await runner.abandon({ request, sent, kind });
  }

  #logLoss({ record: { turnId, agentId } }: LiveTurn, reason: AppError): void {
    this.#options.log.warn(
      { turnId, agentId, err: reason },
      'No connection to a turn; trying again',
    );
  }
}
