import type { AgentId } from '../../identity/agent-id.ts';
/** Tokens and dollars. */
export type Spent = { tokens: number; costUsd: number };

/** Limits spending to an owner, an agent or both. */
export type SpendingScope = { owner?: string; agentId?: AgentId };

/** Spending of agents by month. It outlives the agents. */
export interface SpendingStore {
  /** Adds to a month, such as `2026-11`. */
  add(month: string, by: Required<SpendingScope>, spent: Spent): void;
  total(month: string, scope: SpendingScope): Spent;
}
