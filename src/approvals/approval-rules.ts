import { AppError } from '../errors.ts';
import { demand } from '../identity/permission.ts';
import { LOCAL, type Principal } from '../identity/principal.ts';
import type { ApprovalRecord, Decision } from './approval.ts';

/**
 * Throws `forbidden` if a principal may not decide. Nobody approves their own request, except the one
 * user of an open server if one approver is enough. The requester of a turn answers its `user_input`.
 */
export function assertMayDecide(
  approval: Pick<ApprovalRecord, 'kind' | 'requestedBy' | 'neededApprovers'>,
  principal: Principal,
  { isOpen }: { isOpen: boolean },
): void {
  const isOwn = approval.requestedBy === principal.id;
  if (approval.kind === 'user_input' && isOwn) return;
  demand(principal, 'approve');
  if (!isOwn) return;
  const isOnlyUser = isOpen && principal.id === LOCAL.id;
  if (!isOnlyUser) {
    throw new AppError(
      'forbidden',
      'You cannot decide on your own request: another approver must.',
    );
  }
  if (approval.neededApprovers > 1) {
    throw new AppError(
      'forbidden',
      'This request needs two approvers, and the server has one user: create tokens for others, or request less.',
    );
  }
}

/**
 * The approval after a decision. One decline ends it; repeated approvals of a principal count once.
 * Throws `approval_not_pending` if it has ended.
 */
export function withDecision(approval: ApprovalRecord, decision: Decision): ApprovalRecord {
  if (approval.state !== 'pending') {
    throw new AppError('approval_not_pending', `The approval is ${approval.state} already.`, {
      data: { state: approval.state },
    });
  }
  const isRepeated = approval.decisions.some(({ by }) => by === decision.by);
  if (isRepeated && decision.approve) return approval;
  const decisions = [...approval.decisions, decision];
  if (!decision.approve) return { ...approval, decisions, state: 'declined' };
  const isEnough = decisions.length >= approval.neededApprovers;
  return { ...approval, decisions, state: isEnough ? 'approved' : 'pending' };
}
