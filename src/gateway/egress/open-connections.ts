import type { EgressConnection } from './egress-connection.ts';
import type { EgressRecord } from './egress-record.ts';
import { EgressRefusal } from './egress-refusal.ts';
import { HourlyBudget } from './hourly-budget.ts';

const CHECK_INTERVAL_MS = 1_000;

export type ConnectionLimits = {
  /** Of one agent at a time. */
  connections: number;
  /** Without a byte either way. */
  idleMs: number;
  /** Of one agent in an hour, both ways; 0: no limit. A connection goes beyond it by what it moves in a second. */
  hourlyBytes: number;
};

/** The connections that are open, and what bounds them. */
export class OpenConnections {
  readonly #open = new Set<EgressConnection>();
  readonly #limits: ConnectionLimits;
  readonly #budget: HourlyBudget;
  readonly #timer: NodeJS.Timeout;
  readonly #onEnd: (record: EgressRecord) => void;

  /** `onEnd` hears of every connection once, the refused ones too. */
  constructor(limits: ConnectionLimits, onEnd: (record: EgressRecord) => void) {
    this.#limits = limits;
    this.#budget = new HourlyBudget(limits.hourlyBytes);
    this.#onEnd = onEnd;
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS).unref();
  }

  /** From here on {@link end} must follow. */
  begin(connection: EgressConnection): void {
    this.#open.add(connection);
  }

  /** Throws {@link EgressRefusal} if the agent may not have one more. */
  admit({ agentId }: EgressConnection): void {
    if (this.of(agentId).length > this.#limits.connections) throw new EgressRefusal('too_many');
    if (this.#budget.isSpent(agentId)) throw new EgressRefusal('hourly_limit');
  }

  end(connection: EgressConnection): void {
    if (!this.#open.delete(connection)) return;
    this.#budget.spend(connection.agentId, connection.takeMovedBytes());
    this.#onEnd(connection.record());
  }

  /** Of one agent, the oldest first. */
  of(agentId: string): EgressConnection[] {
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
