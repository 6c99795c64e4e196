import type { ApprovalMode } from '../config/settings/callers.ts';
import type { Risk, TurnPowers } from './risk.ts';

type Approvers = Readonly<Record<Risk, number>>;

/** Approvers that a turn needs before it runs, by its risk. */
const FOR_TURNS: Readonly<Record<ApprovalMode, Approvers>> = {
  auto: { low: 0, medium: 0, high: 0, critical: 2 },
  suggest: { low: 0, medium: 0, high: 1, critical: 2 },
  manual: { low: 0, medium: 1, high: 1, critical: 2 },
};

/** Approvers that a request of Codex during a turn needs. */
const FOR_REQUESTS: Readonly<Record<ApprovalMode, Approvers>> = {
  auto: { low: 0, medium: 0, high: 1, critical: 2 },
  suggest: { low: 1, medium: 1, high: 1, critical: 2 },
  manual: { low: 1, medium: 1, high: 1, critical: 2 },
};

/** A turn in `ci` mode needs at least one approver, unless the policy is `auto`. */
export function approversOfTurn(
  policy: ApprovalMode,
  risk: Risk,
  mode: TurnPowers['mode'] = 'interactive',
): number {
  const needed = FOR_TURNS[policy][risk];
  return mode === 'ci' && policy !== 'auto' ? Math.max(1, needed) : needed;
}

export function approversOfRequest(policy: ApprovalMode, risk: Risk): number {
  return FOR_REQUESTS[policy][risk];
}
