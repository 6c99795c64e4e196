import { SERVER_REQUEST_KINDS } from '../codex/server-requests/server-request.ts';
import type { Risk } from './risk.ts';

/** `turn`: a call, before it runs. The others are what Codex asks for while it works on one. */
export const APPROVAL_KINDS = ['turn', ...SERVER_REQUEST_KINDS] as const;
export type ApprovalKind = (typeof APPROVAL_KINDS)[number];

/** `superseded`: its turn ended before anybody decided. */
export const APPROVAL_STATES = [
  'pending',
  'approved',
  'declined',
  'expired',
  'superseded',
] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

/** What one person said. */
export type Decision = { by: string; approve: boolean; reason?: string | undefined; at: Date };

/** Something that does not happen before people have agreed to it. */
export type ApprovalRecord = {
  approvalId: string;
  agentId: string;
  turnId: string;
  /** What names the request within its turn, so that it is known when it is made again. */
  requestKey: string;
  kind: ApprovalKind;
  /** What is asked for, in a line. */
  operation: string;
  /** The same in full, cut to a size that people and logs can bear. */
  arguments: Record<string, unknown>;
  risk: Risk;
  /** Id of the principal for whom the turn runs. */
  requestedBy: string;
  /** Whose approvers decide: that of the agent's owner. */
  tenant: string;
  justification?: string | undefined;
  neededApprovers: number;
  decisions: readonly Decision[];
  /** Of a question to a person: what was answered, by question. */
  answers?: Record<string, string> | undefined;
  state: ApprovalState;
  createdAt: Date;
  expiresAt: Date;
};
