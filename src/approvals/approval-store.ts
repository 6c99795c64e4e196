import type { ApprovalRecord, ApprovalState } from './approval.ts';

/** What people were asked to approve. Each goes with its turn. */
export interface ApprovalStore {
  get(approvalId: string): ApprovalRecord | undefined;
  /** That of a turn with a request key. */
  find(turnId: string, requestKey: string): ApprovalRecord | undefined;
  /** Inserts, or replaces what changes: state, decisions and answers. */
  put(approval: ApprovalRecord): void;
  /** The newest first. */
  list(query: ApprovalQuery): ApprovalRecord[];
  /** Those on which nobody has decided, in the order in which they were put. */
  pending(): ApprovalRecord[];
  count(turnId: string): number;
}

/** Which approvals; all conditions that are given must hold. */
export type ApprovalQuery = {
  tenant?: string;
  requestedBy?: string;
  /** Of these agents alone. */
  agentIds?: readonly string[];
  state?: ApprovalState;
  limit: number;
};
