import type { AgentId } from '../identity/agent-id.ts';
import type { ApprovalRecord, ApprovalState } from './approval.ts';

/** Approvals, which are removed with their turn. */
export interface ApprovalStore {
  get(approvalId: string): ApprovalRecord | undefined;
  find(turnId: string, requestKey: string): ApprovalRecord | undefined;
  /** Inserts, or updates state, decisions and answers. */
  put(approval: ApprovalRecord): void;
  /** The newest first. */
  list(query: ApprovalQuery): ApprovalRecord[];
  /** In the order of insertion. */
  pending(): ApprovalRecord[];
  count(turnId: string): number;
}

/** All given conditions must hold. */
export type ApprovalQuery = {
  tenant?: string;
  requestedBy?: string;
  /** Approvals of these agents only. */
  agentIds?: readonly AgentId[];
  state?: ApprovalState;
  limit: number;
};
