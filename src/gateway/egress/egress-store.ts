import type { AgentId } from '../../identity/agent-id.ts';
import type { EgressRecord, EgressRuleRecord } from './egress-record.ts';

/** Egress rules and connections of agents. Both are removed with their agent. */
export interface EgressStore {
  /** Inserts, or replaces the same rule of the agent. */
  putRule(rule: EgressRuleRecord): void;
  /** Returns whether it existed. */
  removeRule(agentId: AgentId, rule: string): boolean;
  removeExpiredRules(agentId: AgentId, now: Date): void;
  /** The oldest first, expired ones included. */
  rules(agentId: AgentId): EgressRuleRecord[];
  /** Of each agent the last `kept` stay; those of unknown agents are dropped. */
  append(records: readonly EgressRecord[], kept: number): void;
  /** The last written first. */
  records(agentId: AgentId, limit: number): EgressRecord[];
}
