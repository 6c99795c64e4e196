import type { Passage } from './egress-connection.ts';
import type { EgressRecord } from './egress-record.ts';
import { EgressRefusal } from './egress-refusal.ts';
import { HourlyBudget } from './hourly-budget.ts';

const LOOK_MS = 1_000;

export type PassageLimits = {
  /** Of one agent at a time. */
  connections: number;
  /** Without a byte either way. */
  idleMs: number;
  /** Of one agent in an hour, both ways; 0: no limit. A connection goes beyond it by what it moves in a second. */
  hourlyBytes: number;
};

/** The connections that are open, and what bounds them. */
export class Passages {
  readonly #open = new Set<Passage>();
  readonly #limits: PassageLimits;
  readonly #budget: HourlyBudget;
  readonly #timer: NodeJS.Timeout;
  readonly #onEnd: (record: EgressRecord) => void;

  /** `onEnd` hears of every connection once, the refused ones too. */
  constructor(limits: PassageLimits, onEnd: (record: EgressRecord) => void) {
    this.#limits = limits;
    this.#budget = new HourlyBudget(limits.hourlyBytes);
    this.#onEnd = onEnd;
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** From here on {@link end} must follow. */
  begin(passage: Passage): void {
    this.#open.add(passage);
  }

  /** Throws {@link EgressRefusal} if the agent may not have one more. */
  admit({ agentId }: Passage): void {
    if (this.of(agentId).length > this.#limits.connections) throw new EgressRefusal('too_many');
    if (this.#budget.isSpent(agentId)) throw new EgressRefusal('hourly_limit');
  }

  end(passage: Passage): void {
    if (!this.#open.delete(passage)) return;
    this.#budget.spend(passage.agentId, passage.takeMoved());
    this.#onEnd(passage.record());
  }

  /** Of one agent, the oldest first. */
  of(agentId: string): Passage[] {
    return [...this.#open].filter((passage) => passage.agentId === agentId);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const passage of this.#open) {
      passage.cut('shutdown');
      this.end(passage);
    }
  }

  #look(): void {
    for (const passage of this.#open) {
      this.#budget.spend(passage.agentId, passage.takeMoved());
      if (this.#budget.isSpent(passage.agentId)) passage.cut('hourly_limit');
      else if (passage.idleMs > this.#limits.idleMs) passage.cut('idle');
    }
  }
}
