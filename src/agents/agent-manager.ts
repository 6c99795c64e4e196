import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { CopySource } from '../runtime/container-runtime.ts';
import type { Workspace } from '../workspaces/workspace.ts';
import type { AgentRecord, AgentStatus } from './agent.ts';
import { AgentEvents, type TransitionReason } from './agent-events.ts';
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

/** With what else closing takes, it stays below what `docker stop` waits. */
const CLOSE_LIMIT_MS = 4000;
/** That many make every git slower that reads them. */
const LOOSE_OBJECTS = 2000;

type AgentManagerOptions = WakerOptions & {
  store: { transaction<T>(work: () => T): T };
  config: WakerOptions['config'] &
    Pick<
      Config,
      'MAX_CONCURRENT_SESSIONS' | 'ORPHAN_TIMEOUT' | 'CONTAINER_DISK_LIMIT' | 'TURN_RETENTION'
    >;
};

/** Gives every agent id its container: made on first use, woken on later use, put to sleep when idle. */
export class AgentManager {
  /** What happens to agents, from now on. */
  readonly events: AgentEvents;
  readonly disk: DiskWatch;
  readonly #options: AgentManagerOptions;
  readonly #runningAgents: RunningAgents;
  readonly #waker: AgentWaker;
  readonly #transitions: AgentTransitions;
  readonly #reconciler: Reconciler;
  #isAwaited: (agentId: string) => boolean = () => false;

  constructor(options: AgentManagerOptions) {
    this.#options = options;
    const events = new AgentEvents(options.log);
    this.events = events;
    const { runtime, gateway, store, config, log } = options;
    this.#runningAgents = new RunningAgents({
      limit: config.MAX_CONCURRENT_SESSIONS,
      mayEvict: (agentId) => !this.#isKept(agentId),
      evict: async ({ agentId }) =>
        void (await this.#transitions.apply('stop', agentId, 'eviction')),
    });
    this.#waker = new AgentWaker({ ...options, events }, this.#runningAgents);
    const { agents } = store;
    const parts = {
      runtime,
      gateway,
      agents,
      runningAgents: this.#runningAgents,
      events,
      config,
      log,
    };
    this.#transitions = new AgentTransitions({
      ...parts,
      isAwaited: (agentId) => this.#isAwaited(agentId),
    });
    this.#reconciler = new Reconciler(parts);
    const packCheckpoints = (agentId: string) => this.packCheckpoints(agentId);
    const tidy = (agentId: string) => this.tidy(agentId);
    const countsWorkspace = (agentId: string) => agents.get(agentId)?.workspacePath === undefined;
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

  /** Says which agents have calls waiting: they keep their places between two of them. */
  keepWhile(isAwaited: (agentId: string) => boolean): void {
    this.#isAwaited = isAwaited;
  }

  /** Takes over what runs, clears away what is nobody's, and fills the warm pool in the background. */
  async reconcile(): Promise<void> {
    await this.#reconciler.run();
    this.#options.pool.refill();
  }

  /**
   * Runs `use` with an agent that is awake. Creates, starts or reconnects as needed; concurrent
   * starts of one agent share one run. Throws `too_many_sessions` if all places are busy.
   */
  async withAgent<T>(agentId: string, use: (link: AgentLink) => Promise<T>): Promise<T> {
    const running = await this.#runningAgents.acquire(agentId);
    try {
      return await use(await this.#waker.wake(running));
    } finally {
      this.#runningAgents.release(running);
      if (running.link === undefined) await this.#waker.removeIfStopped(running);
    }
  }

  /**
   * Begins an agent with copies of the files of another, which nobody may change meanwhile. Throws
   * `agent_exists`, or what `ContainerRuntime.copyVolumes` throws.
   */
  async beginCopy(agent: AgentRecord, from: string, signal: AbortSignal): Promise<void> {
    const { runtime, store } = this.#options;
    const { agentId, name } = agent;
    const exists = () => store.agents.get(agentId) !== undefined;
    const taken = new AppError('agent_exists', `There is an agent "${name}" already.`);
    const begun = await this.#runningAgents.runExclusive(agentId, async () => {
      if (exists()) throw taken;
      const onCopied = () => {
        if (exists()) throw taken;
        store.transaction(() => {
          // Whose token is set has files of its own, and gets none of the warm containers.
          store.agents.put({ ...agent, tokenSha256: newGatewayToken().tokenSha256 });
          if (agent.source !== undefined) store.agents.setSource(agentId, agent.source);
        });
      };
      await runtime.copyVolumes(this.#copySource(from), agentId, { signal, onCopied });
    });
    if (!begun) throw taken;
  }

  /** The link of an agent that is awake; undefined of one that sleeps or is on its way. Wakes nobody. */
  async linkOf(agentId: string): Promise<AgentLink | undefined> {
    const running = this.#runningAgents.get(agentId);
    if (!running?.link || running.paused) return undefined;
    return Promise.race([running.link.catch(() => undefined), setImmediate(undefined)]);
  }

  statusOf(agentId: string): AgentStatus {
    const running = this.#runningAgents.get(agentId);
    if (running) return runningStatus(running);
    return this.#options.store.agents.get(agentId)?.archived ? 'archived' : 'stopped';
  }

  /** What decides how long an agent stays as it is. */
  lifeOf({ agentId, pinned, lastUsedAt }: AgentRecord): AgentLife {
    const running = this.#runningAgents.get(agentId);
    return {
      status: this.statusOf(agentId),
      pinned,
      awaited: this.#isAwaited(agentId),
      idleSince: running ? dateOfMonotonic(running.idleSince) : lastUsedAt,
    };
  }

  /** How many agents have a place, and how many of those work. */
  counts(): { active: number; busy: number } {
    const all = this.#runningAgents.all();
    return { active: all.length, busy: all.filter(({ users }) => users > 0).length };
  }

  /** Puts an agent to sleep that nobody uses; answers whether it did. */
  transition(
    transition: AgentTransition,
    agentId: string,
    reason: TransitionReason = 'idle',
  ): Promise<boolean> {
    return this.#transitions.apply(transition, agentId, reason);
  }

  /**
   * Drops what only past turns needed to tell what they changed; answers false, and does nothing, if
   * somebody uses the agent or it sleeps. Who calls meanwhile waits.
   */
  packCheckpoints(agentId: string): Promise<boolean> {
    return this.#whileIdle(agentId, (workspace) => workspace.packCheckpoints());
  }

  /** Forgets refs of turns that are not kept any more, and packs what is loose; the same else. */
  tidy(agentId: string): Promise<boolean> {
    const { TURN_RETENTION } = this.#options.config;
    const keptSince = refsKeptSince(TURN_RETENTION);
    return this.#whileIdle(agentId, (workspace) =>
      workspace.tidy({ keptSince, looseObjects: LOOSE_OBJECTS }),
    );
  }

  async #whileIdle(agentId: string, task: (workspace: Workspace) => Promise<void>) {
    const running = this.#runningAgents.get(agentId);
    if (!running?.link || running.paused) return false;
    return this.#runningAgents.runExclusive(agentId, async () => {
      const link = await running.link;
      if (link && !running.paused) await task(link.workspace);
    });
  }

  /** Kills all that runs in the container. The next use starts it again; files and conversation stay. */
  async halt(agentId: string): Promise<void> {
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

  /** Lets go of all agents; they run on unless asked to stop. */
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
    // What runs on needs no farewell: an engine that is slow must not keep the server.
    const limit = sleep(CLOSE_LIMIT_MS, undefined, { ref: false });
    await (stopAgents ? closing : Promise.race([closing, limit]));
  }

  #copySource(agentId: string): CopySource {
    const { store, directories } = this.#options;
    const workspacePath = store.agents.get(agentId)?.workspacePath;
    if (workspacePath === undefined) return { agentId };
    directories.assertUsable(workspacePath);
    return { agentId, workspacePath };
  }

  #isKept(agentId: string): boolean {
    const pinned = this.#options.store.agents.get(agentId)?.pinned ?? false;
    return pinned || this.#isAwaited(agentId);
  }
}

function runningStatus({ users, paused }: { users: number; paused: boolean }): AgentStatus {
  if (users > 0) return 'busy';
  return paused ? 'paused' : 'idle';
}
