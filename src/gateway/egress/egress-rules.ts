import { AppError } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { EgressRuleRecord } from './egress-record.ts';
import { type EgressRule, parseEgressRule, ruleMatches } from './egress-rule.ts';
import type { EgressStore } from './egress-store.ts';
import type { EgressTarget } from './egress-target.ts';

/** Duration of `once`: package managers open many connections for one command. */
const ONCE_MS = 600_000;
const MOST_RULES = 500;

type DenialReason = 'not_allowed' | 'taken_back' | undefined;

type Decided = { by: string };

/** The egress rules for all agents, and those of each agent. */
export class EgressRules {
  readonly #forAll: readonly EgressRule[];
  readonly #store: EgressStore;
  readonly #listeners = new Set<(agentId: AgentId) => void>();

  /** `forAll` as {@link parseEgressRule} reads them; throws like it. */
  constructor(forAll: readonly string[], store: EgressStore) {
    this.#forAll = forAll.flatMap(parseEgressRule);
    this.#store = store;
  }

  /** Why a target is denied; undefined if it is allowed. A deny rule wins over all allow rules. */
  denialReason(agentId: AgentId, target: EgressTarget): DenialReason {
    const records = this.list(agentId);
    const matching = (effect: EgressRuleRecord['effect']) =>
      records.some((one) => one.effect === effect && recordMatches(one, target));
    if (matching('deny')) return 'taken_back';
    if (this.#forAll.some((rule) => ruleMatches(rule, target))) return undefined;
    return matching('allow') ? undefined : 'not_allowed';
  }

  /** Allows a target, `once` for ten minutes. Replaces the same rule of the agent. Throws `invalid_input`. */
  allow(agentId: AgentId, rule: string, { by, for: time }: Decided & { for: 'once' | 'always' }) {
    const expiresAt = time === 'once' ? new Date(Date.now() + ONCE_MS) : undefined;
    return this.#put({ agentId, rule, effect: 'allow', decidedBy: by, expiresAt });
  }

  /** Denies a target over all allow rules, and cuts open connections. Throws `invalid_input`. */
  deny(agentId: AgentId, rule: string, { by }: Decided): EgressRuleRecord {
    return this.#put({ agentId, rule, effect: 'deny', decidedBy: by });
  }

  /** Returns whether the agent had such a rule. */
  remove(agentId: AgentId, rule: string): boolean {
    const removed = this.#store.removeRule(agentId, canonical(rule));
    this.#changed(agentId);
    return removed;
  }

  /** The rules that have not expired, the oldest first. */
  list(agentId: AgentId): EgressRuleRecord[] {
    const now = Date.now();
    return this.#store
      .rules(agentId)
      .filter(({ expiresAt }) => expiresAt === undefined || expiresAt.getTime() > now);
  }

  /** The rules for all agents, as text. */
  get forAll(): string[] {
    return [...new Set(this.#forAll.map(({ text }) => text))];
  }

  onChange(listener: (agentId: AgentId) => void): void {
    this.#listeners.add(listener);
  }

  #put({ expiresAt, ...asked }: Asked): EgressRuleRecord {
    const rule = canonical(asked.rule);
    const { agentId } = asked;
    const kept = this.list(agentId);
    if (kept.length >= MOST_RULES && !kept.some((one) => one.rule === rule)) {
      throw new AppError(
        'invalid_input',
        `The agent has reached its limit of ${MOST_RULES} egress rules. Remove some first.`,
      );
    }
    const record = { ...asked, rule, createdAt: new Date(), ...(expiresAt && { expiresAt }) };
    this.#store.removeExpiredRules(agentId, record.createdAt);
    this.#store.putRule(record);
    this.#changed(agentId);
    return record;
  }

  #changed(agentId: AgentId): void {
    for (const listener of this.#listeners) listener(agentId);
  }
}

type Asked = Omit<EgressRuleRecord, 'createdAt' | 'expiresAt'> & { expiresAt?: Date | undefined };

function canonical(rule: string): string {
  return parseEgressRule(rule)[0]?.text ?? rule;
}

function recordMatches({ rule }: EgressRuleRecord, target: EgressTarget): boolean {
  return parseEgressRule(rule).some((one) => ruleMatches(one, target));
}
