import type { ApprovalRecord, ApprovalState } from '../approvals/approval.ts';
import {
  type ApprovalEvent,
  type Approvals,
  noApproval,
  type Verdict,
} from '../approvals/approvals.ts';
import { may } from '../identity/principal.ts';
import { CallerView } from './caller-view.ts';

export type ApprovalServices = { approvals: Approvals };

/** What happens to an approval, with the caller's name of the agent. */
export type ApprovalNotice = ApprovalEvent;
/** What the caller decides. */
export type CallerVerdict = Verdict;

/**
 * The approvals that one caller sees: the requests of the caller, and for an approver those of the
 * tenant. All others are `approval_not_found`.
 */
export class CallerApprovals extends CallerView<ApprovalServices> {
  /** Throws `approval_not_found`. */
  get(approvalId: string): ApprovalRecord {
    return this.#shown(this.#find(approvalId));
  }

  /** The newest first. Throws `agent_not_found` for a name that the caller may not use. */
  list(query: {
    state?: ApprovalState | undefined;
    agent?: string | undefined;
    limit: number;
  }): ApprovalRecord[] {
    this.demand('read');
    const { state, agent, limit } = query;
    const { id: requestedBy, tenant } = this.principal;
    const agentIds = agent === undefined ? this.#allowedIds() : [this.#agentId(agent)];
    return this.services.approvals
      .list({
        tenant,
        ...(!this.#isApprover && { requestedBy }),
        ...(agentIds && { agentIds }),
        ...(state && { state }),
        limit,
      })
      .map((approval) => this.#shown(approval));
  }

  /** See `Approvals.decide`; throws `approval_not_found` too. */
  decide(approvalId: string, verdict: CallerVerdict): ApprovalRecord {
    this.#find(approvalId);
    return this.#shown(this.services.approvals.decide(approvalId, this.principal, verdict));
  }

  /** Whether the caller may decide on an approval. */
  mayDecide(approvalId: string): boolean {
    try {
      this.services.approvals.assertMayDecide(this.#find(approvalId), this.principal);
      return true;
    } catch {
      return false;
    }
  }

  /** Calls the listener for each request and decision that the caller sees; returns how to stop that. */
  listen(listener: (event: ApprovalNotice) => void): () => void {
    this.demand('read');
    return this.services.approvals.listen(({ type, approval }) => {
      if (this.#sees(approval)) listener({ type, approval: this.#shown(approval) });
    });
  }

  get #isApprover(): boolean {
    return may(this.principal, 'approve');
  }

  #find(approvalId: string): ApprovalRecord {
    this.demand('read');
    const approval = this.services.approvals.get(approvalId);
    if (this.#sees(approval)) return approval;
    throw noApproval(approvalId);
  }

  #sees({ tenant, requestedBy, agentId }: ApprovalRecord): boolean {
    const { id, tenant: own } = this.principal;
    if (tenant !== own || !(this.#isApprover || requestedBy === id)) return false;
    return this.#allowedIds()?.includes(agentId) ?? true;
  }

  /** An approver uses the same names for agents of others as an administrator. */
  #agentId(name: string): string {
    const asApprover = this.#isApprover;
    return this.services.ownerships.idOf(this.principal, name, { asApprover });
  }

  /** Undefined unless the caller may use certain agents only. An approver sees requests of all agents. */
  #allowedIds(): string[] | undefined {
    if (this.#isApprover) return undefined;
    return this.principal.agents?.map((name) => this.#agentId(name));
  }

  #shown(approval: ApprovalRecord): ApprovalRecord {
    return {
      ...approval,
      agentId: this.nameOf(approval.agentId),
    };
  }
}
