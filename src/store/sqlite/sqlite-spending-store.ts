import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { SpendingScope, SpendingStore, Spent } from '../../gateway/spending/spending-store.ts';

export class SqliteSpendingStore implements SpendingStore {
  readonly #add: StatementSync;
  readonly #total: StatementSync;

  constructor(database: DatabaseSync) {
    this.#add = database.prepare(`
      INSERT INTO spending (month, owner, agent_id, tokens, cost_usd) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (month, owner, agent_id) DO UPDATE SET
        tokens = tokens + excluded.tokens, cost_usd = cost_usd + excluded.cost_usd`);
    this.#total = database.prepare(`
      SELECT coalesce(sum(tokens), 0) AS tokens, coalesce(sum(cost_usd), 0) AS cost_usd
      FROM spending WHERE month = ?1 AND (?2 IS NULL OR owner = ?2)
      AND (?3 IS NULL OR agent_id = ?3)`);
  }

  add(month: string, { owner, agentId }: Required<SpendingScope>, spent: Spent): void {
    this.#add.run(month, owner, agentId, spent.tokens, spent.costUsd);
  }

  total(month: string, { owner, agentId }: SpendingScope): Spent {
    const row = this.#total.get(month, owner ?? null, agentId ?? null);
    return { tokens: Number(row?.tokens), costUsd: Number(row?.cost_usd) };
  }
}
