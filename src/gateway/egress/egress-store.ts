import type { EgressRecord, EgressRuleRecord } from './egress-record.ts';

/** Egress rules and connections of agents. Both are removed with their agent. */
export interface EgressStore {
  /** Inserts, or replaces the same rule of the agent. */
  putRule(rule: EgressRuleRecord): void;
  /** Returns whether it existed. */
  removeRule(agentId: string, rule: string): boolean;
  removeExpiredRules(agentId: string, now: Date): void;
  /** The oldest first, expired ones included. */
  rules(agentId: string): EgressRuleRecord[];
  /** Of each agent the last `kept` stay; those of unknown agents are dropped. */
  append(records: readonly EgressRecord[], kept: number): void;
  /** The last written first. */
  records(agentId: string, limit: number): EgressRecord[];
}
