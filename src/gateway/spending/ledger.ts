import type { Logger } from 'pino';
import type { SpendingScope, SpendingStore, Spent } from './spending-store.ts';

/** A write for each answer would slow turns down. A crash loses this much. */
const FLUSH_MS = 1_000;

type Entry = { month: string; by: Required<SpendingScope>; spent: Spent };

/** All spending: what is stored, and what is not written yet. */
export class Ledger {
  readonly #store: SpendingStore;
  readonly #log: Logger;
  #pending: Entry[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(store: SpendingStore, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  add(by: Required<SpendingScope>, spent: Spent): void {
    this.#pending.push({ month: thisMonth(), by, spent });
    this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS).unref();
  }

  /** Spending of this month. */
  total(scope: SpendingScope): Spent {
    const month = thisMonth();
    const total = this.#store.total(month, scope);
    for (const { by, spent, ...entry } of this.#pending) {
      if (entry.month !== month || !within(by, scope)) continue;
      total.tokens += spent.tokens;
      total.costUsd += spent.costUsd;
    }
    return total;
  }

  /** Writes pending entries; retries later if that fails. Never throws. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      while (this.#pending[0]) {
        const { month, by, spent } = this.#pending[0];
        this.#store.add(month, by, spent);
        this.#pending.shift();
      }
    } catch (error) {
      this.#log.error({ err: error }, 'Spending could not be written; retrying');
      this.#timer = setTimeout(() => this.flush(), FLUSH_MS).unref();
    }
  }
}

/** In UTC, such as `2026-11`. */
export function thisMonth(): string {
  return new Date().toISOString().slice(0, 7);
}

function within(by: Required<SpendingScope>, { owner, agentId }: SpendingScope): boolean {
  return (owner ?? by.owner) === by.owner && (agentId ?? by.agentId) === by.agentId;
}
