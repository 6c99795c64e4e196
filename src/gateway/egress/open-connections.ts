import type { AgentId } from '../../identity/agent-id.ts';
import type { EgressConnection } from './egress-connection.ts';
import type { EgressRecord } from './egress-record.ts';
import { EgressRefusal } from './egress-refusal.ts';
import { HourlyBudget } from './hourly-budget.ts';

const CHECK_INTERVAL_MS = 1_000;

export type ConnectionLimits = {
  /** Open connections of one agent. */
  connections: number;
  /** Longest time without a byte in either direction. */
  idleMs: number;
  /** Bytes of one agent per hour in both directions; 0: no limit. Checked once a second. */
  hourlyBytes: number;
};

/** The open connections and their limits. */
export class OpenConnections {
  readonly #open = new Set<EgressConnection>();
  readonly #limits: ConnectionLimits;
  readonly #budget: HourlyBudget;
  readonly #timer: NodeJS.Timeout;
  readonly #onEnd: (record: EgressRecord) => void;

  /** `onEnd` is called once for every connection, also refused ones. */
  constructor(limits: ConnectionLimits, onEnd: (record: EgressRecord) => void) {
    this.#limits = limits;
    this.#budget = new HourlyBudget(limits.hourlyBytes);
    this.#onEnd = onEnd;
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS).unref();
  }

  /** Requires a later {@link end}. */
  begin(connection: EgressConnection): void {
    this.#open.add(connection);
  }

  /** Throws {@link EgressRefusal} if the agent is over a limit. */
  admit({ agentId }: EgressConnection): void {
    if (this.of(agentId).length > this.#limits.connections) throw new EgressRefusal('too_many');
    if (this.#budget.isSpent(agentId)) throw new EgressRefusal('hourly_limit');
  }

  end(connection: EgressConnection): void {
    if (!this.#open.delete(connection)) return;
    this.#budget.spend(connection.agentId, connection.takeMovedBytes());
    this.#onEnd(connection.record());
  }

  /** The oldest first. */
  of(agentId: AgentId): EgressConnection[] {
    return [...this.#open].filter((connection) => connection.agentId === agentId);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const connection of this.#open) {
      connection.cut('shutdown');
      this.end(connection);
    }
  }

  #check(): void {
    for (const connection of this.#open) {
      this.#budget.spend(connection.agentId, connection.takeMovedBytes());
      if (this.#budget.isSpent(connection.agentId)) connection.cut('hourly_limit');
      else if (connection.idleMs > this.#limits.idleMs) connection.cut('idle');
    }
  }
}
