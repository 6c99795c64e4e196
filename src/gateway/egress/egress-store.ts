import type { EgressRecord, EgressRuleRecord } from './egress-record.ts';

/** Where agents may go besides the model, and where they went. Both go with their agent. */
export interface EgressStore {
  /** Inserts, or replaces the same rule of the agent. */
  putRule(rule: EgressRuleRecord): void;
  /** Answers whether there was one. */
  removeRule(agentId: string, rule: string): boolean;
  removeExpiredRules(agentId: string, now: Date): void;
  /** The oldest first, expired ones included. */
  rules(agentId: string): EgressRuleRecord[];
  /** Of each agent the last `kept` stay; those of unknown agents are dropped. */
  append(records: readonly EgressRecord[], kept: number): void;
  /** The last written first. */
  records(agentId: string, limit: number): EgressRecord[];
}
