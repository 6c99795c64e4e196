import type { AgentId } from '../../identity/agent-id.ts';

const HOUR_MS = 3_600_000;

/** Counts the bytes of agents in the current hour. A restart of the server resets the count. */
export class HourlyBudget {
  readonly #limit: number;
  readonly #used = new Map<AgentId, number>();
  #began = performance.now();

  /** In bytes; 0: no limit. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  spend(agentId: AgentId, bytes: number): void {
    this.#beginHour();
    this.#used.set(agentId, (this.#used.get(agentId) ?? 0) + bytes);
  }

  isSpent(agentId: AgentId): boolean {
    this.#beginHour();
    return this.#limit > 0 && (this.#used.get(agentId) ?? 0) >= this.#limit;
  }

  #beginHour(): void {
    if (performance.now() - this.#began < HOUR_MS) return;
    this.#began = performance.now();
    this.#used.clear();
  }
}
