import { AppError } from '../../errors.ts';
import type { EgressRuleRecord } from './egress-record.ts';
import { type EgressRule, parseEgressRule, ruleMatches } from './egress-rule.ts';
import type { EgressStore } from './egress-store.ts';
import type { EgressTarget } from './egress-target.ts';

/** What `once` means: package managers open many connections for one command. */
const ONCE_MS = 600_000;
const MOST_RULES = 500;

/** Undefined: it is allowed. */
type DenialReason = 'not_allowed' | 'taken_back' | undefined;

type Decided = { by: string };

/** Who may go where: the rules for all agents, and those that were decided for one. */
export class EgressRules {
  readonly #forAll: readonly EgressRule[];
  readonly #store: EgressStore;
  readonly #listeners = new Set<(agentId: string) => void>();

  /** `forAll` as {@link parseEgressRule} reads them; throws like it. */
  constructor(forAll: readonly string[], store: EgressStore) {
    this.#forAll = forAll.flatMap(parseEgressRule);
    this.#store = store;
  }

  /** What speaks against it. A rule that denies wins over all that allow. */
  denialReason(agentId: string, target: EgressTarget): DenialReason {
    const records = this.list(agentId);
    const matching = (effect: EgressRuleRecord['effect']) =>
      records.some((one) => one.effect === effect && recordMatches(one, target));
    if (matching('deny')) return 'taken_back';
    if (this.#forAll.some((rule) => ruleMatches(rule, target))) return undefined;
    return matching('allow') ? undefined : 'not_allowed';
  }

  /**
   * Lets an agent go somewhere: for ten minutes, or for ever. Takes the place of the same rule that
   * allowed or denied. Throws `invalid_input`.
   */
  allow(agentId: string, rule: string, { by, for: time }: Decided & { for: 'once' | 'always' }) {
    const expiresAt = time === 'once' ? new Date(Date.now() + ONCE_MS) : undefined;
    return this.#put({ agentId, rule, effect: 'allow', decidedBy: by, expiresAt });
  }

  /** Forbids it, whatever allows it, and cuts what is open. Throws `invalid_input`. */
  deny(agentId: string, rule: string, { by }: Decided): EgressRuleRecord {
    return this.#put({ agentId, rule, effect: 'deny', decidedBy: by });
  }

  /** Forgets what was decided; answers whether there was such a rule. */
  remove(agentId: string, rule: string): boolean {
    const removed = this.#store.removeRule(agentId, canonical(rule));
    this.#changed(agentId);
    return removed;
  }

  /** What counts now, the oldest first. */
  list(agentId: string): EgressRuleRecord[] {
    const now = Date.now();
    return this.#store
      .rules(agentId)
      .filter(({ expiresAt }) => expiresAt === undefined || expiresAt.getTime() > now);
  }

  /** The rules for all agents, as they are written. */
  get forAll(): string[] {
    return [...new Set(this.#forAll.map(({ text }) => text))];
  }

  /** Hears of every change for an agent. */
  onChange(listener: (agentId: string) => void): void {
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

  #changed(agentId: string): void {
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
