import type { ApprovalEvent } from '../../approvals/approvals.ts';
import type { AuditEntry, AuditLog } from '../../audit/audit-log.ts';

type Heard = { listen(listener: (event: ApprovalEvent) => void): unknown };

type AuditContext = Pick<AuditEntry, 'sessionId' | 'correlationId'>;

/** Audits approvals and decisions. */
export function auditApprovals(
  approvals: Heard,
  audit: AuditLog,
  contextOf: (turnId: string) => AuditContext,
): void {
  approvals.listen(({ type, approval }) => {
    const { approvalId, agentId, turnId, tenant, requestedBy, decisions } = approval;
    const { kind, risk, state, operation } = approval;
    const last = type === 'approval_decided' ? decisions.at(-1)?.by : undefined;
    const data = { approvalId, kind, risk, state, operation, requestedBy, decisions };
    const { sessionId, correlationId } = contextOf(turnId);
    const of = { agentId, turnId, sessionId, correlationId };
    audit.append({ type, principal: { id: last ?? requestedBy, tenant }, ...of, data });
  });
}
