import { pino } from 'pino';
import { expect, test } from 'vitest';
import { Budgets } from '../../../src/gateway/spending/budgets.ts';
import type { SpendingScope, Spent } from '../../../src/gateway/spending/spending-store.ts';
import { loadConfig } from '../../../src/server/load-config.ts';

/** What is used up: by a turn, by its agent, by the owner of that, and by all. */
const TURN: Spent = { tokens: 10, costUsd: 1 };
const AGENT: Spent = { tokens: 20, costUsd: 2 };
const OWNER: Spent = { tokens: 30, costUsd: 3 };
const ALL: Spent = { tokens: 40, costUsd: 4 };

const ledger = {
  add: () => undefined,
  total: ({ agentId, owner }: Partial<SpendingScope>) => {
    if (agentId !== undefined) return AGENT;
    return owner === undefined ? ALL : OWNER;
  },
};

function refusal(setting: string, limit: string) {
  const budgets = new Budgets({
    agents: { get: () => ({ owner: 'ann' }) },
    ledger: ledger as never,
    prices: { costOf: () => 0 } as never,
    config: loadConfig({ MONTHLY_BUDGET_LIMIT: '0', [setting]: limit }),
    log: pino({ level: 'silent' }),
  });
  return budgets.refusal('a', TURN);
}

test.each([
  ['TURN_TOKEN_LIMIT', 10, 'The tokens of a turn: 10 tokens of 10'],
  ['TURN_BUDGET_LIMIT', 1, 'The budget of a turn: $1.00 of $1.00'],
  ['AGENT_TOKEN_LIMIT', 20, 'The tokens of this agent and month: 20 tokens of 20'],
  ['AGENT_BUDGET_LIMIT', 2, 'The budget of this agent and month: $2.00 of $2.00'],
  ['PRINCIPAL_TOKEN_LIMIT', 30, 'Your tokens of this month: 30 tokens of 30'],
  ['PRINCIPAL_BUDGET_LIMIT', 3, 'Your budget of this month: $3.00 of $3.00'],
  ['MONTHLY_BUDGET_LIMIT', 4, 'The budget of this month: $4.00 of $4.00'],
])('%s refuses once %i is used, and no sooner', (setting, spent, message) => {
  expect(refusal(setting, String(spent))).toMatchObject({
    code: 'budget_exceeded',
    message: expect.stringContaining(message),
  });
  expect(refusal(setting, String(spent + 1))).toBeUndefined();
});
