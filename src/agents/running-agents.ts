import { AppError } from '../errors.ts';
import type { AgentLink } from './links/agent-link.ts';
import { steadyMomentOf, steadyNow } from './monotonic-clock.ts';

/** An agent whose container runs or is paused, or is on its way there or back. */
export type AgentPlace = {
  readonly agentId: string;
  /** How many work with it now. */
  users: number;
  /** Since when nobody does: a moment on the steady clock. */
  idleSince: number;
  /** Whether its container is frozen, or may be. The link stays open over that. */
  paused: boolean;
  /** Whether its container does not run, as far as is known: who wakes it starts it. */
  down: boolean;
  link?: Promise<AgentLink> | undefined;
  /** The end of a pause that is under way. */
  waking?: Promise<void> | undefined;
};

type AgentPlacesOptions = {
  limit: number;
  /** Whether an idle agent may be stopped to make room for another. */
  mayEvict: (agentId: string) => boolean;
  /** Empties the place of an idle agent. */
  evict: (place: AgentPlace) => Promise<void>;
};

/** The places for agents that run at the same time, and who may do what to an agent now. */
export class AgentPlaces {
  readonly #places = new Map<string, AgentPlace>();
  readonly #changes = new Map<string, Promise<unknown>>();
  readonly #options: AgentPlacesOptions;

  constructor(options: AgentPlacesOptions) {
    this.#options = options;
  }

  get(agentId: string): AgentPlace | undefined {
    return this.#places.get(agentId);
  }

  all(): AgentPlace[] {
    return [...this.#places.values()];
  }

  /** Gives a place to an agent that runs already. */
  occupy(agentId: string, found: { idleSince: Date; paused: boolean }): void {
    const { idleSince, paused } = found;
    this.#places.set(agentId, {
      agentId,
      users: 0,
      idleSince: steadyMomentOf(idleSince),
      paused,
      down: false,
    });
  }

  /**
   * Gives an agent a place, its own or a new one, and counts a user. When all are taken the longest
   * idle agent is stopped; if none may be, throws `too_many_sessions`.
   */
  async take(agentId: string): Promise<AgentPlace> {
    for (;;) {
      while (this.#changes.has(agentId)) await this.settled(agentId);
      const place = this.#places.get(agentId);
      if (place) {
        place.users += 1;
        return place;
      }
      const isFull = this.#places.size >= this.#options.limit;
      const victim = isFull ? this.#choose() : undefined;
      if (!isFull || victim) return this.#takeNew(agentId, victim);
      // Whoever is being paused or stopped can make room in a moment.
      const changing = this.all().filter((each) => this.#changes.has(each.agentId));
      if (changing.length === 0) throw this.#full();
      await Promise.race(changing.map((each) => this.settled(each.agentId)));
    }
  }

  leave(place: AgentPlace): void {
    place.users -= 1;
    place.idleSince = steadyNow();
  }

  /** Gives the place up. Nothing, and false, if somebody uses it, or it is taken by now for a new start. */
  free(place: AgentPlace): boolean {
    if (place.users > 0 || this.#places.get(place.agentId) !== place) return false;
    return this.#places.delete(place.agentId);
  }

  /**
   * Does something to an agent, with a place or without, that nobody uses. Who wants to use it waits
   * until that is done. Answers false, and does nothing, if it is used or being changed already.
   */
  async change(agentId: string, task: () => Promise<void>): Promise<boolean> {
    if ((this.#places.get(agentId)?.users ?? 0) > 0 || this.#changes.has(agentId)) return false;
    await this.#change(agentId, task);
    return true;
  }

  /**
   * Runs a task while an agent is neither stopped nor removed. An agent without a place is not woken:
   * whoever wants to use it waits for the end of the task.
   */
  async hold<T>(agentId: string, task: () => Promise<T>): Promise<T> {
    while (this.#changes.has(agentId)) await this.settled(agentId);
    const place = this.#places.get(agentId);
    if (!place) return this.#change(agentId, task);
    place.users += 1;
    try {
      return await task();
    } finally {
      this.leave(place);
    }
  }

  isChanging(agentId: string): boolean {
    return this.#changes.has(agentId);
  }

  /** Resolves when no change of the agent is under way; whoever made it hears of its failure. */
  async settled(agentId: string): Promise<void> {
    await this.#changes.get(agentId)?.catch(() => undefined);
  }

  async #change<T>(agentId: string, task: () => Promise<T>): Promise<T> {
    const change = Promise.resolve().then(task);
    this.#changes.set(agentId, change);
    try {
      return await change;
    } finally {
      this.#changes.delete(agentId);
    }
  }

  // The place is taken before anything is awaited, so that two first calls cannot take two.
  async #takeNew(agentId: string, victim: AgentPlace | undefined): Promise<AgentPlace> {
    const place: AgentPlace = {
      agentId,
      users: 1,
      idleSince: steadyNow(),
      paused: false,
      down: true,
    };
    this.#places.set(agentId, place);
    try {
      if (victim) await this.#options.evict(victim);
      return place;
    } catch (error) {
      this.leave(place);
      this.free(place);
      throw error;
    }
  }

  /** The longest idle agent, of the paused ones if there are any. */
  #choose(): AgentPlace | undefined {
    const [victim] = this.all()
      .filter(({ agentId, users }) => users === 0 && !this.#changes.has(agentId))
      .filter(({ agentId }) => this.#options.mayEvict(agentId))
      .sort((a, b) => Number(b.paused) - Number(a.paused) || a.idleSince - b.idleSince);
    return victim;
  }

  #full(): AppError {
    const { limit } = this.#options;
    return new AppError(
      'too_many_sessions',
      `All ${limit} agents that may run at once are busy or pinned.`,
      { data: { limit } },
    );
  }
}
