import { z } from 'zod';
import { amount, setting, wholeNumber } from '../setting.ts';

export const budgetsSettings = {
  PRICES_FILE: setting(z.string().min(1).optional(), {
    group: 'Budgets',
    description:
      'JSON file with the prices of models, in US dollars per million tokens, like [prices.json](../prices.json). A model that is not in the file costs nothing.',
    allowed: 'a readable file',
    shownDefault: 'the prices.json of the server',
  }),
  MONTHLY_BUDGET_LIMIT: setting(amount().default(70), {
    group: 'Budgets',
    description:
      'US dollars that all agents together may cost in a month of UTC. Over a budget the gateway refuses model requests, also in the middle of a turn.',
    allowed: 'a number of at least 0; 0 for no limit',
  }),
  PRINCIPAL_BUDGET_LIMIT: setting(amount().default(0), {
    group: 'Budgets',
    description: 'US dollars that the agents of one caller may cost in a month.',
    allowed: 'a number of at least 0; 0 for no limit',
  }),
  PRINCIPAL_TOKEN_LIMIT: setting(wholeNumber(0, 1e12).default(0), {
    group: 'Budgets',
    description: 'Tokens that the agents of one caller may use in a month.',
    allowed: 'a whole number of at least 0; 0 for no limit',
  }),
  AGENT_BUDGET_LIMIT: setting(amount().default(0), {
    group: 'Budgets',
    description: 'US dollars that one agent may cost in a month.',
    allowed: 'a number of at least 0; 0 for no limit',
  }),
  AGENT_TOKEN_LIMIT: setting(wholeNumber(0, 1e12).default(0), {
    group: 'Budgets',
    description: 'Tokens that one agent may use in a month.',
    allowed: 'a whole number of at least 0; 0 for no limit',
  }),
  TURN_BUDGET_LIMIT: setting(amount().default(0), {
    group: 'Budgets',
    description: 'US dollars that one turn may cost.',
    allowed: 'a number of at least 0; 0 for no limit',
  }),
  TURN_TOKEN_LIMIT: setting(wholeNumber(0, 1e12).default(0), {
    group: 'Budgets',
    description: 'Tokens that one turn may use.',
    allowed: 'a whole number of at least 0; 0 for no limit',
  }),
  COST_ALERT_THRESHOLD: setting(z.coerce.number().min(0).max(1).default(0.8), {
    group: 'Budgets',
    description: 'Share of a budget at which the log warns.',
    allowed: 'a number from 0 to 1',
  }),
};
