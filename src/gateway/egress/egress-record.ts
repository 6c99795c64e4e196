import type { EgressVerdict, RefusalReason } from './egress-refusal.ts';

/** A connection that an agent made or was refused, as it is remembered. */
export type EgressRecord = {
  agentId: string;
  startedAt: Date;
  durationMs: number;
  /** `CONNECT`, or the method of a plain HTTP request. */
  method: string;
  host: string;
  /** 0 where what was asked for is no target. */
  port: number;
  /** Where it was connected to. */
  address?: string;
  bytesUp: number;
  bytesDown: number;
  verdict: EgressVerdict;
  /** Why it was refused, failed or was cut. */
  reason?: RefusalReason;
};

/** What was decided for one agent. */
export type EgressRuleRecord = {
  agentId: string;
  /** As `parseEgressRule` reads it; an agent has it once. */
  rule: string;
  effect: 'allow' | 'deny';
  /** The id of the principal. */
  decidedBy: string;
  createdAt: Date;
  /** When it no longer counts; undefined: never. */
  expiresAt?: Date;
};
