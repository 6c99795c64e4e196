import { setImmediate } from 'node:timers/promises';
import pTimeout from 'p-timeout';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { AgentId } from '../identity/agent-id.ts';
import type { CopySource } from '../runtime/container-runtime.ts';
import type { Workspace } from '../workspaces/workspace.ts';
import type { AgentRecord, AgentStatus } from './agent.ts';
import type { AgentEvents, TransitionReason } from './agent-events.ts';
import { AgentWaker, type WakerOptions } from './agent-waker.ts';
import { DiskWatch } from './disk-watch.ts';
import type { AgentLife, AgentTransition } from './life/agent-life.ts';
import { AgentTransitions } from './life/agent-transitions.ts';
import { Reconciler } from './life/reconciler.ts';
import type { AgentLink } from './links/agent-link.ts';
import { newGatewayToken } from './links/gateway-token.ts';
import { dateOfMonotonic } from './monotonic-clock.ts';
import { refsKeptSince } from './ref-retention.ts';
import { RunningAgents } from './running-agents.ts';

/** Short enough that the server stops within the grace time of `docker stop`. */
const CLOSE_LIMIT_MS = 4000;
/** More loose objects slow git down. */
const LOOSE_OBJECTS = 2000;

type AgentManagerOptions = WakerOptions & {
  /** Whether calls wait for an agent, which then keeps its place between two of them. */
  isAwaited: (agentId: AgentId) => boolean;
  events: AgentEvents;
  store: { transaction<T>(work: () => T): T };
  config: WakerOptions['config'] &
    Pick<
      Config,
      'MAX_CONCURRENT_SESSIONS' | 'ORPHAN_TIMEOUT' | 'CONTAINER_DISK_LIMIT' | 'TURN_RETENTION'
    >;
};

/** Creates the container of an agent on first use, wakes it on later use, and pauses or stops it when idle. */
export class AgentManager {
  readonly events: AgentEvents;
  readonly disk: DiskWatch;
  readonly #options: AgentManagerOptions;
  readonly #runningAgents: RunningAgents;
  readonly #waker: AgentWaker;
  readonly #transitions: AgentTransitions;
  readonly #reconciler: Reconciler;

  constructor(options: AgentManagerOptions) {
    this.#options = options;
    const { runtime, gateway, store, isAwaited, events, config, log } = options;
    this.events = events;
    this.#runningAgents = new RunningAgents({
      limit: config.MAX_CONCURRENT_SESSIONS,
      mayEvict: (agentId) => !this.#isKept(agentId),
      evict: async ({ agentId }) =>
        void (await this.#transitions.apply('stop', agentId, 'eviction')),
    });
    this.#waker = new AgentWaker(options, this.#runningAgents);
    const { agents } = store;
    const runningAgents = this.#runningAgents;
    const parts = { runtime, gateway, agents, runningAgents, events, config, log };
    this.#transitions = new AgentTransitions({ ...parts, isAwaited });
    this.#reconciler = new Reconciler(parts);
    const packCheckpoints = (agentId: AgentId) => this.packCheckpoints(agentId);
    const tidy = (agentId: AgentId) => this.tidy(agentId);
    const countsWorkspace = (agentId: AgentId) => agents.get(agentId)?.workspacePath === undefined;
    this.disk = new DiskWatch({
      runtime,
      packCheckpoints,
      tidy,
      countsWorkspace,
      events,
      config,
      log,
    });
  }

  /** Reconciles the store with the runtime, and refills the warm pool in the background. */
  async reconcile(): Promise<void> {
    await this.#reconciler.run();
    this.#options.pool.refill();
  }

  /**
   * Runs `use` with an awake agent: creates, starts or reconnects it as needed. Concurrent calls share one
   * start. Throws `too_many_sessions` if no running agent can be evicted.
   */
  async withAgent<T>(agentId: AgentId, use: (link: AgentLink) => Promise<T>): Promise<T> {
    const running = await this.#runningAgents.acquire(agentId);
    try {
      return await use(await this.#waker.wake(running));
    } finally {
      this.#runningAgents.release(running);
      if (running.link === undefined) await this.#waker.removeIfStopped(running);
    }
  }

  /**
   * Creates an agent with copies of the volumes of another, of which no turn may run meanwhile. The
   * other one stays as it is, awake or not. Throws `agent_exists`, or what `ContainerRuntime.copyVolumes` throws.
   */
  async beginCopy(agent: AgentRecord, from: AgentId, signal: AbortSignal): Promise<void> {
    const { runtime, store } = this.#options;
    const { agentId, name } = agent;
    const exists = () => store.agents.get(agentId) !== undefined;
    const taken = new AppError('agent_exists', `The agent "${name}" exists already.`);
    // An agent has volumes from its first start on.
    if (store.agents.get(from)?.tokenSha256 === '')
      await this.withAgent(from, async () => undefined);
    const begun = await this.#runningAgents.runExclusive(agentId, async () => {
      if (exists()) throw taken;
      const onCopied = () => {
        if (exists()) throw taken;
        store.transaction(() => {
          // An agent with a token has volumes of its own, so it never gets a container of the warm pool.
          store.agents.put({ ...agent, tokenSha256: newGatewayToken().tokenSha256 });
          if (agent.source !== undefined) store.agents.setSource(agentId, agent.source);
        });
      };
      await this.#hold(from, () =>
        runtime.copyVolumes(this.#copySource(from), agentId, { signal, onCopied }),
      );
    });
    if (!begun) throw taken;
  }

  /** See {@link RunningAgents.hold}. The container may end meanwhile. */
  async #hold(agentId: AgentId, task: () => Promise<void>): Promise<void> {
    try {
      await this.#runningAgents.hold(agentId, task);
    } finally {
      const running = this.#runningAgents.get(agentId);
      if (running && !running.link) await this.#waker.removeIfStopped(running);
    }
  }

  /** The link of an awake agent; undefined for any other. Never wakes an agent. */
  async linkOf(agentId: AgentId): Promise<AgentLink | undefined> {
    const running = this.#runningAgents.get(agentId);
    if (!running?.link || running.paused) return undefined;
    return Promise.race([running.link.catch(() => undefined), setImmediate(undefined)]);
  }

  statusOf(agentId: AgentId): AgentStatus {
    const running = this.#runningAgents.get(agentId);
    if (running) return runningStatus(running);
    return this.#options.store.agents.get(agentId)?.archived ? 'archived' : 'stopped';
  }

  lifeOf({ agentId, pinned, lastUsedAt }: AgentRecord): AgentLife {
    const running = this.#runningAgents.get(agentId);
    return {
      status: this.statusOf(agentId),
      pinned,
      awaited: this.#options.isAwaited(agentId),
      idleSince: running ? dateOfMonotonic(running.idleSince) : lastUsedAt,
    };
  }

  /** The number of running agents, and of those with users. */
  counts(): { active: number; busy: number } {
    const all = this.#runningAgents.all();
    return { active: all.length, busy: all.filter(({ users }) => users > 0).length };
  }

  /** Returns false, without a transition, if the agent is in use or locked. */
  transition(
    transition: AgentTransition,
    agentId: AgentId,
    reason: TransitionReason = 'idle',
  ): Promise<boolean> {
    return this.#transitions.apply(transition, agentId, reason);
  }

  /**
   * Drops all checkpoints but the last, with the agent locked. Returns false, without an effect, if the
   * agent is in use or not awake.
   */
  packCheckpoints(agentId: AgentId): Promise<boolean> {
    return this.#whileIdle(agentId, (workspace) => workspace.packCheckpoints());
  }

  /** Deletes refs of expired turns and packs loose objects, under the same conditions. */
  tidy(agentId: AgentId): Promise<boolean> {
    const { TURN_RETENTION } = this.#options.config;
    const keptSince = refsKeptSince(TURN_RETENTION);
    return this.#whileIdle(agentId, (workspace) =>
      workspace.tidy({ keptSince, looseObjects: LOOSE_OBJECTS }),
    );
  }

  async #whileIdle(agentId: AgentId, task: (workspace: Workspace) => Promise<void>) {
    const running = this.#runningAgents.get(agentId);
    if (!running?.link || running.paused) return false;
    return this.#runningAgents.runExclusive(agentId, async () => {
      const link = await running.link;
      if (link && !running.paused) await task(link.workspace);
    });
  }

  /** Kills all processes of the container. Files and threads stay. */
  async halt(agentId: AgentId): Promise<void> {
    const running = this.#runningAgents.get(agentId);
    const link = await running?.link?.catch(() => undefined);
    if (running) {
      running.link = undefined;
      running.stopped = true;
    }
    await link?.close();
    await this.#options.runtime.stop(agentId, { graceSeconds: 0 });
    this.events.emit({ type: 'agent_taken', agentId, transition: 'stop', reason: 'halt' });
  }

  /** Closes all connections; the containers keep running unless `stopAgents`. */
  async close({ stopAgents }: { stopAgents: boolean }): Promise<void> {
    this.disk[Symbol.dispose]();
    const closing = Promise.all([
      this.#options.pool.close({ keep: !stopAgents }),
      ...this.#runningAgents.all().map(async ({ agentId, link }) => {
        await this.#runningAgents.settled(agentId);
        if (stopAgents) return this.#transitions.apply('stop', agentId, 'shutdown');
        return (await link?.catch(() => undefined))?.close();
      }),
    ]);
    // A slow engine must not delay the exit of the server.
    const limit = { milliseconds: CLOSE_LIMIT_MS, message: false } as const;
    await (stopAgents ? closing : pTimeout(closing, limit));
  }

  #copySource(agentId: AgentId): CopySource {
    const { store, directories } = this.#options;
    const workspacePath = store.agents.get(agentId)?.workspacePath;
    if (workspacePath === undefined) return { agentId };
    directories.assertUsable(workspacePath);
    return { agentId, workspacePath };
  }

  #isKept(agentId: AgentId): boolean {
    const pinned = this.#options.store.agents.get(agentId)?.pinned ?? false;
    return pinned || this.#options.isAwaited(agentId);
  }
}

function runningStatus({ users, paused }: { users: number; paused: boolean }): AgentStatus {
  if (users > 0) return 'busy';
  return paused ? 'paused' : 'idle';
}
