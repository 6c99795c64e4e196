import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import { LOCAL } from '../../identity/principal.ts';
import { type Ledger, thisMonth } from './ledger.ts';
import type { PricedUsage, Prices } from './prices.ts';
import type { SpendingScope, Spent } from './spending-store.ts';

type BudgetSettings = Pick<
  Config,
  | 'MONTHLY_BUDGET_LIMIT'
  | 'PRINCIPAL_BUDGET_LIMIT'
  | 'PRINCIPAL_TOKEN_LIMIT'
  | 'AGENT_BUDGET_LIMIT'
  | 'AGENT_TOKEN_LIMIT'
  | 'TURN_BUDGET_LIMIT'
  | 'TURN_TOKEN_LIMIT'
  | 'COST_ALERT_THRESHOLD'
>;

export type BudgetOptions = {
  /** The owner of an agent, if known. */
  agents: { get(agentId: AgentId): { owner: string } | undefined };
  ledger: Ledger;
  prices: Prices;
  config: BudgetSettings;
  log: Logger;
};

type LimitSetting = Exclude<keyof BudgetSettings, 'COST_ALERT_THRESHOLD'>;
type Bound = {
  what: string;
  setting: LimitSetting;
  spent: number;
  limit: number;
  unit: 'USD' | 'tokens';
};

/** Records the cost of the model, and refuses requests over budget. */
export class Budgets {
  readonly #options: BudgetOptions;
  readonly #alerted = new Set<string>();
  readonly #unpriced = new Set<string>();

  constructor(options: BudgetOptions) {
    this.#options = options;
  }

  /** Records one answer of a model; returns its cost. Null as model: the server is not billed. */
  record(
    agentId: AgentId,
    model: string | null,
    usage: PricedUsage & { total_tokens: number },
  ): Spent {
    const { ledger, prices, log } = this.#options;
    const costUsd = model === null ? 0 : prices.costOf(model, usage);
    if (costUsd === undefined && model !== null && !this.#unpriced.has(model)) {
      this.#unpriced.add(model);
      log.warn({ model }, 'The model has no price in PRICES_FILE: its tokens cost nothing');
    }
    const spent = { tokens: usage.total_tokens, costUsd: costUsd ?? 0 };
    ledger.add({ owner: this.#ownerOf(agentId), agentId }, spent);
    return spent;
  }

  /** Why model requests of an agent are refused, in a turn that has spent so much; undefined if they are allowed. */
  refusal(
    agentId: AgentId,
    turn?: Spent,
    owner: string = this.#ownerOf(agentId),
  ): AppError | undefined {
    const bounds = this.#boundsOf({ agentId, owner }, turn).filter(({ limit }) => limit > 0);
    for (const bound of bounds) this.#alert(agentId, bound);
    const broken = bounds.find(({ spent, limit }) => spent >= limit);
    if (!broken) return undefined;
    const { what, setting, spent, limit, unit } = broken;
    return new AppError(
      'budget_exceeded',
      `${what}: ${shown(spent, unit)} of ${shown(limit, unit)} are used (${setting}).`,
      { data: { budget: { what, spent, limit, unit } } },
    );
  }

  #boundsOf({ agentId, owner }: Required<SpendingScope>, turn: Spent | undefined): Bound[] {
    const { config, ledger } = this.#options;
    const agent = ledger.total({ agentId });
    const own = ledger.total({ owner });
    const bound = (what: string, setting: LimitSetting, { costUsd, tokens }: Spent): Bound => ({
      ...{ what, setting, limit: config[setting] },
      ...(setting.endsWith('TOKEN_LIMIT')
        ? { unit: 'tokens', spent: tokens }
        : { unit: 'USD', spent: costUsd }),
    });
    return [
      bound('The budget of this month', 'MONTHLY_BUDGET_LIMIT', ledger.total({})),
      bound('Your budget of this month', 'PRINCIPAL_BUDGET_LIMIT', own),
      bound('Your tokens of this month', 'PRINCIPAL_TOKEN_LIMIT', own),
      bound('The budget of this agent and month', 'AGENT_BUDGET_LIMIT', agent),
      bound('The tokens of this agent and month', 'AGENT_TOKEN_LIMIT', agent),
      ...(turn
        ? [
            bound('The budget of a turn', 'TURN_BUDGET_LIMIT', turn),
            bound('The tokens of a turn', 'TURN_TOKEN_LIMIT', turn),
          ]
        : []),
    ];
  }

  /** Warns once a month for each agent and limit. */
  #alert(agentId: AgentId, { what, spent, limit, unit }: Bound): void {
    const key = `${thisMonth()} ${agentId} ${what}`;
    if (spent < limit * this.#options.config.COST_ALERT_THRESHOLD || this.#alerted.has(key)) return;
    this.#alerted.add(key);
    this.#options.log.warn({ agentId, what, spent, limit, unit }, 'A budget is nearly used up');
  }

  #ownerOf(agentId: AgentId): string {
    return this.#options.agents.get(agentId)?.owner ?? LOCAL.id;
  }
}

function shown(amount: number, unit: Bound['unit']): string {
  return unit === 'USD' ? `$${amount.toFixed(2)}` : `${amount} tokens`;
}
