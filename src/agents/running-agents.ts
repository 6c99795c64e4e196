import { AppError } from '../errors.ts';
import type { AgentLink } from './links/agent-link.ts';
import { monotonicNow, monotonicOf } from './monotonic-clock.ts';

/** An agent whose container runs or is paused, or is on its way there or back. */
export type RunningAgent = {
  readonly agentId: string;
  /** How many work with it now. */
  users: number;
  /** Since when nobody does: a moment on the steady clock. */
  idleSince: number;
  /** Whether its container is frozen, or may be. The link stays open over that. */
  paused: boolean;
  /** Whether its container does not run, as far as is known: who wakes it starts it. */
  stopped: boolean;
  link?: Promise<AgentLink> | undefined;
  /** The end of a pause that is under way. */
  resuming?: Promise<void> | undefined;
};

type RunningAgentsOptions = {
  limit: number;
  /** Whether an idle agent may be stopped to make room for another. */
  mayEvict: (agentId: string) => boolean;
  /** Empties the agent of an idle agent. */
  evict: (agent: RunningAgent) => Promise<void>;
};

/** The places for agents that run at the same time, and who may do what to an agent now. */
export class RunningAgents {
  readonly #agents = new Map<string, RunningAgent>();
  readonly #locks = new Map<string, Promise<void>>();
  readonly #options: RunningAgentsOptions;

  constructor(options: RunningAgentsOptions) {
    this.#options = options;
  }

  get(agentId: string): RunningAgent | undefined {
    return this.#agents.get(agentId);
  }

  all(): RunningAgent[] {
    return [...this.#agents.values()];
  }

  /** Gives a agent to an agent that runs already. */
  adopt(agentId: string, found: { idleSince: Date; paused: boolean }): void {
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
   * Gives an agent a agent, its own or a new one, and counts a user. When all are taken the longest
   * idle agent is stopped; if none may be, throws `too_many_sessions`.
   */
  async acquire(agentId: string): Promise<RunningAgent> {
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
      // Whoever is being paused or stopped can make room in a moment.
      const changing = this.all().filter((each) => this.#locks.has(each.agentId));
      if (changing.length === 0) throw this.#limitError();
      await Promise.race(changing.map((each) => this.settled(each.agentId)));
    }
  }

  release(agent: RunningAgent): void {
    agent.users -= 1;
    agent.idleSince = monotonicNow();
  }

  /** Gives the agent up. Nothing, and false, if somebody uses it, or it is taken by now for a new start. */
  remove(agent: RunningAgent): boolean {
    if (agent.users > 0 || this.#agents.get(agent.agentId) !== agent) return false;
    return this.#agents.delete(agent.agentId);
  }

  /**
   * Does something to an agent, with a agent or without, that nobody uses. Who wants to use it waits
   * until that is done. Answers false, and does nothing, if it is used or being changed already.
   */
  async runExclusive(agentId: string, task: () => Promise<void>): Promise<boolean> {
    if ((this.#agents.get(agentId)?.users ?? 0) > 0 || this.#locks.has(agentId)) return false;
    const change = Promise.resolve().then(task);
    this.#locks.set(agentId, change);
    try {
      await change;
      return true;
    } finally {
      this.#locks.delete(agentId);
    }
  }

  isLocked(agentId: string): boolean {
    return this.#locks.has(agentId);
  }

  /** Resolves when no change of the agent is under way; whoever made it hears of its failure. */
  async settled(agentId: string): Promise<void> {
    await this.#locks.get(agentId)?.catch(() => undefined);
  }

  // The agent is taken before anything is awaited, so that two first calls cannot take two.
  async #add(agentId: string, victim: RunningAgent | undefined): Promise<RunningAgent> {
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
      `All ${limit} agents that may run at once are busy or pinned.`,
      { data: { limit } },
    );
  }
}
