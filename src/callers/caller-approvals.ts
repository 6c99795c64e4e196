import type { ApprovalRecord, ApprovalState } from '../approvals/approval.ts';
import {
  type ApprovalEvent,
  type Approvals,
  noApproval,
  type Verdict,
} from '../approvals/approvals.ts';
import type { AgentId, AgentName, Named } from '../identity/agent-id.ts';
import { may } from '../identity/principal.ts';
import { CallerView } from './caller-view.ts';

export type ApprovalServices = { approvals: Approvals };

export type ApprovalView = Named<ApprovalRecord>;
/** What happens to an approval. */
export type ApprovalNotice = Pick<ApprovalEvent, 'type'> & { approval: ApprovalView };
/** What the caller decides. */
export type CallerVerdict = Verdict;

/**
 * The approvals that one caller sees: the requests of the caller, and for an approver those of the
 * tenant. All others are `approval_not_found`.
 */
export class CallerApprovals extends CallerView<ApprovalServices> {
  /** Throws `approval_not_found`. */
  get(approvalId: string): ApprovalView {
    return this.named(this.#find(approvalId));
  }

  /** The newest first. Throws `agent_not_found` for a name that the caller may not use. */
  list(query: {
    state?: ApprovalState | undefined;
    agent?: AgentName | undefined;
    limit: number;
  }): ApprovalView[] {
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
      .map((approval) => this.named(approval));
  }

  /** See `Approvals.decide`; throws `approval_not_found` too. */
  decide(approvalId: string, verdict: CallerVerdict): ApprovalView {
    this.#find(approvalId);
    return this.named(this.services.approvals.decide(approvalId, this.principal, verdict));
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
      if (this.#sees(approval)) listener({ type, approval: this.named(approval) });
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
  #agentId(name: AgentName): AgentId {
    const asApprover = this.#isApprover;
    return this.services.ownerships.idOf(this.principal, name, { asApprover });
  }

  /** Undefined unless the caller may use certain agents only. An approver sees requests of all agents. */
  #allowedIds(): AgentId[] | undefined {
    if (this.#isApprover) return undefined;
    return this.principal.agents?.map((name) => this.#agentId(name));
  }
}
