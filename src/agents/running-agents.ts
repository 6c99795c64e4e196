import { AppError } from '../errors.ts';
import type { AgentId } from '../identity/agent-id.ts';
import type { AgentLink } from './links/agent-link.ts';
import { monotonicNow, monotonicOf } from './monotonic-clock.ts';

/** An agent whose container runs, is paused, or is about to be one of these. */
export type RunningAgent = {
  readonly agentId: AgentId;
  /** Number of present users. */
  users: number;
  /** Time of last use, by the monotonic clock. */
  idleSince: number;
  /** Whether the container may be paused. The link stays open. */
  paused: boolean;
  /** Whether the container is not known to run, and must be started. */
  stopped: boolean;
  link?: Promise<AgentLink> | undefined;
  resuming?: Promise<void> | undefined;
};

type RunningAgentsOptions = {
  limit: number;
  /** Whether an idle agent may be stopped to make room for another. */
  mayEvict: (agentId: AgentId) => boolean;
  /** Stops an idle agent. */
  evict: (agent: RunningAgent) => Promise<void>;
};

/** The running agents, up to the limit of `MAX_CONCURRENT_SESSIONS`, with their users and locks. */
export class RunningAgents {
  readonly #agents = new Map<AgentId, RunningAgent>();
  readonly #locks = new Map<AgentId, Promise<unknown>>();
  readonly #options: RunningAgentsOptions;

  constructor(options: RunningAgentsOptions) {
    this.#options = options;
  }

  get(agentId: AgentId): RunningAgent | undefined {
    return this.#agents.get(agentId);
  }

  all(): RunningAgent[] {
    return [...this.#agents.values()];
  }

  /** Adds an agent whose container runs already. */
  adopt(agentId: AgentId, found: { idleSince: Date; paused: boolean }): void {
    const { idleSince, paused } = found;
    this.#agents.set(agentId, {
      agentId,
      users: 0,
      idleSince: monotonicOf(idleSince),
      paused,
      stopped: false,
    });
  }

  /**
   * Adds a user to an agent. At the limit, a new agent evicts the longest idle one; throws
   * `too_many_sessions` if none may be evicted.
   */
  async acquire(agentId: AgentId): Promise<RunningAgent> {
    for (;;) {
      while (this.#locks.has(agentId)) await this.settled(agentId);
      const agent = this.#agents.get(agentId);
      if (agent) {
        agent.users += 1;
        return agent;
      }
      const isFull = this.#agents.size >= this.#options.limit;
      const victim = isFull ? this.#evictionCandidate() : undefined;
      if (!isFull || victim) return this.#add(agentId, victim);
      // The end of another agent's transition may free capacity.
      const changing = this.all().filter((each) => this.#locks.has(each.agentId));
      if (changing.length === 0) throw this.#limitError();
      await Promise.race(changing.map((each) => this.settled(each.agentId)));
    }
  }

  release(agent: RunningAgent): void {
    agent.users -= 1;
    agent.idleSince = monotonicNow();
  }

  /** Returns false, without an effect, for an agent in use or an outdated entry. */
  remove(agent: RunningAgent): boolean {
    if (agent.users > 0 || this.#agents.get(agent.agentId) !== agent) return false;
    return this.#agents.delete(agent.agentId);
  }

  /**
   * Runs a task with an agent locked, whether or not it runs; {@link acquire} waits for the task. Returns
   * false, without running the task, if the agent is in use or locked.
   */
  async runExclusive(agentId: AgentId, task: () => Promise<void>): Promise<boolean> {
    if ((this.#agents.get(agentId)?.users ?? 0) > 0 || this.#locks.has(agentId)) return false;
    await this.#lock(agentId, task);
    return true;
  }

  /**
   * Runs a task while an agent is neither stopped nor removed. An agent that does not run is not woken;
   * {@link acquire} waits for the task then.
   */
  async hold<T>(agentId: AgentId, task: () => Promise<T>): Promise<T> {
    while (this.#locks.has(agentId)) await this.settled(agentId);
    const agent = this.#agents.get(agentId);
    if (!agent) return this.#lock(agentId, task);
    agent.users += 1;
    try {
      return await task();
    } finally {
      this.release(agent);
    }
  }

  isLocked(agentId: AgentId): boolean {
    return this.#locks.has(agentId);
  }

  /** Resolves when the agent is not locked. Never rejects. */
  async settled(agentId: AgentId): Promise<void> {
    await this.#locks.get(agentId)?.catch(() => undefined);
  }

  async #lock<T>(agentId: AgentId, task: () => Promise<T>): Promise<T> {
    const locked = Promise.resolve().then(task);
    this.#locks.set(agentId, locked);
    try {
      return await locked;
    } finally {
      this.#locks.delete(agentId);
    }
  }

  // Added before the first await, so that concurrent calls share the entry.
  async #add(agentId: AgentId, victim: RunningAgent | undefined): Promise<RunningAgent> {
    const agent: RunningAgent = {
      agentId,
      users: 1,
      idleSince: monotonicNow(),
      paused: false,
      stopped: true,
    };
    this.#agents.set(agentId, agent);
    try {
      if (victim) await this.#options.evict(victim);
      return agent;
    } catch (error) {
      this.release(agent);
      this.remove(agent);
      throw error;
    }
  }

  /** The longest idle agent, of the paused ones if there are any. */
  #evictionCandidate(): RunningAgent | undefined {
    const [victim] = this.all()
      .filter(({ agentId, users }) => users === 0 && !this.#locks.has(agentId))
      .filter(({ agentId }) => this.#options.mayEvict(agentId))
      .sort((a, b) => Number(b.paused) - Number(a.paused) || a.idleSince - b.idleSince);
    return victim;
  }

  #limitError(): AppError {
    const { limit } = this.#options;
    return new AppError(
      'too_many_sessions',
      `All ${limit} running agents (\`MAX_CONCURRENT_SESSIONS\`) are busy or pinned.`,
      { data: { limit } },
    );
  }
}
