import type { ApprovalRecord, ApprovalState } from '../approvals/approval.ts';
import {
  type ApprovalEvent,
  type Approvals,
  noApproval,
  type Verdict,
} from '../approvals/approvals.ts';
import { demand } from '../identity/permission.ts';
import { may, type Principal } from '../identity/principal.ts';
import type { Ownerships } from './ownership.ts';

type Options = { approvals: Approvals; ownerships: Ownerships };

/**
 * What one caller sees of approvals, and decides: its own requests, and for approvers those of the
 * tenant. Those of others are `approval_not_found`.
 */
export class CallerApprovals {
  readonly #approvals: Approvals;
  readonly #ownerships: Ownerships;
  readonly #principal: Principal;

  constructor({ approvals, ownerships }: Options, principal: Principal) {
    this.#approvals = approvals;
    this.#ownerships = ownerships;
    this.#principal = principal;
  }

  /** Throws `approval_not_found`. */
  get(approvalId: string): ApprovalRecord {
    return this.#shown(this.#find(approvalId));
  }

  /** The newest first. Throws `agent_not_found` for the name of an agent that is not there. */
  list(query: {
    state?: ApprovalState | undefined;
    agent?: string | undefined;
    limit: number;
  }): ApprovalRecord[] {
    demand(this.#principal, 'read');
    const { state, agent, limit } = query;
    const { id: requestedBy, tenant } = this.#principal;
    const agentIds = agent === undefined ? this.#allowedIds() : [this.#agentId(agent)];
    return this.#approvals
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
  decide(approvalId: string, verdict: Verdict): ApprovalRecord {
    this.#find(approvalId);
    return this.#shown(this.#approvals.decide(approvalId, this.#principal, verdict));
  }

  /** Whether the caller may decide on an approval. */
  mayDecide(approvalId: string): boolean {
    try {
      this.#approvals.assertMayDecide(this.#find(approvalId), this.#principal);
      return true;
    } catch {
      return false;
    }
  }

  /** Hears what is asked for and decided of what the caller sees; call what is returned to stop. */
  listen(listener: (event: ApprovalEvent) => void): () => void {
    demand(this.#principal, 'read');
    return this.#approvals.listen(({ type, approval }) => {
      if (this.#sees(approval)) listener({ type, approval: this.#shown(approval) });
    });
  }

  get #isApprover(): boolean {
    return may(this.#principal, 'approve');
  }

  #find(approvalId: string): ApprovalRecord {
    demand(this.#principal, 'read');
    const approval = this.#approvals.get(approvalId);
    if (this.#sees(approval)) return approval;
    throw noApproval(approvalId);
  }

  #sees({ tenant, requestedBy, agentId }: ApprovalRecord): boolean {
    const { id, tenant: own } = this.#principal;
    if (tenant !== own || !(this.#isApprover || requestedBy === id)) return false;
    return this.#allowedIds()?.includes(agentId) ?? true;
  }

  /** An approver names agents of others as an administrator does. */
  #agentId(name: string): string {
    return this.#ownerships.idOf(this.#namer, name);
  }

  get #namer(): Principal {
    const { roles } = this.#principal;
    return this.#isApprover ? { ...this.#principal, roles: [...roles, 'admin'] } : this.#principal;
  }

  /** Of the only agents that the caller may use, if there are such; approvers are not bound to theirs. */
  #allowedIds(): string[] | undefined {
    if (this.#isApprover) return undefined;
    return this.#principal.agents?.map((name) => this.#agentId(name));
  }

  #shown(approval: ApprovalRecord): ApprovalRecord {
    return {
      ...approval,
      agentId: this.#ownerships.nameFor(this.#principal, approval.agentId),
    };
  }
}
