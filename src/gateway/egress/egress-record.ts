import type { AgentId } from '../../identity/agent-id.ts';
import type { EgressVerdict, RefusalReason } from './egress-refusal.ts';

/** A connection of an agent, allowed or refused. */
export type EgressRecord = {
  agentId: AgentId;
  startedAt: Date;
  durationMs: number;
  /** `CONNECT`, or the method of a plain HTTP request. */
  method: string;
  host: string;
  /** 0 if the requested target is invalid. */
  port: number;
  /** The IP address of the connection. */
  address?: string;
  bytesUp: number;
  bytesDown: number;
  verdict: EgressVerdict;
  reason?: RefusalReason;
};

/** A rule for one agent. */
export type EgressRuleRecord = {
  agentId: AgentId;
  /** In the form of `parseEgressRule`; unique for an agent. */
  rule: string;
  effect: 'allow' | 'deny';
  /** The id of the principal. */
  decidedBy: string;
  createdAt: Date;
  /** Undefined: the rule never expires. */
  expiresAt?: Date;
};
