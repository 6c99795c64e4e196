/** Tokens and dollars. */
export type Spent = { tokens: number; costUsd: number };

/** Whose spending is meant; the more is given, the narrower. */
export type SpendingScope = { owner?: string; agentId?: string };

/** What agents used of the model, month by month. It outlives the agents. */
export interface SpendingStore {
  /** Adds to a month, such as `2026-11`. */
  add(month: string, by: Required<SpendingScope>, spent: Spent): void;
  total(month: string, scope: SpendingScope): Spent;
}
