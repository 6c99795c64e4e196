import type { ApprovalEvent } from '../approvals/approvals.ts';
import type { AuditLog } from './audit-log.ts';

type Heard = { listen(listener: (event: ApprovalEvent) => void): unknown };

/** Has the audit tell what waited for people, and what they decided. */
export function auditApprovals(approvals: Heard, audit: AuditLog): void {
  approvals.listen(({ type, approval }) => {
    const { approvalId, agentId, turnId, tenant, requestedBy, decisions } = approval;
    const { kind, risk, state, operation } = approval;
    const last = type === 'approval_decided' ? decisions.at(-1)?.by : undefined;
    const data = { approvalId, kind, risk, state, operation, requestedBy, decisions };
    audit.append({ type, principal: { id: last ?? requestedBy, tenant }, agentId, turnId, data });
  });
}
