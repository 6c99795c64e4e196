import { SERVER_REQUEST_KINDS } from '../codex/server-requests/server-request.ts';
import type { AgentId } from '../identity/agent-id.ts';
import type { Risk } from './risk.ts';

/** `turn`: a call before it runs. The others are requests of Codex during a turn. */
export const APPROVAL_KINDS = ['turn', ...SERVER_REQUEST_KINDS] as const;
export type ApprovalKind = (typeof APPROVAL_KINDS)[number];

/** `superseded`: the turn ended before a decision. */
export const APPROVAL_STATES = [
  'pending',
  'approved',
  'declined',
  'expired',
  'superseded',
] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

export type Decision = { by: string; approve: boolean; reason?: string | undefined; at: Date };

/** A request that waits for approvers. */
export type ApprovalRecord = {
  approvalId: string;
  agentId: AgentId;
  turnId: string;
  /** Identifies the request within its turn, also when Codex repeats it. */
  requestKey: string;
  kind: ApprovalKind;
  /** The request in one line. */
  operation: string;
  /** The full request, cut to a bounded size. */
  arguments: Record<string, unknown>;
  risk: Risk;
  /** The principal of the turn. */
  requestedBy: string;
  /** The tenant whose approvers decide: that of the owner of the agent. */
  tenant: string;
  justification?: string | undefined;
  neededApprovers: number;
  decisions: readonly Decision[];
  /** Answers to a `user_input`, by question. */
  answers?: Record<string, string> | undefined;
  state: ApprovalState;
  createdAt: Date;
  expiresAt: Date;
};
