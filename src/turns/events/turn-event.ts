import type { ApprovalKind, ApprovalState } from '../../approvals/approval.ts';
import type { Risk } from '../../approvals/risk.ts';
import type { CodexEvent } from '../../codex/codex-event.ts';

/** What happens in a turn, for all listeners: progress, journal, streams, audit. */
export type TurnEvent =
  | CodexEvent
  /** The check of the caller runs after each round of Codex's work. */
  | { type: 'check_started'; round: number; rounds: number; command: string }
  | {
      type: 'check_completed';
      round: number;
      rounds: number;
      command: string;
      passed: boolean;
      /** Undefined if the command was killed. */
      exitCode: number | undefined;
      timedOut: boolean;
      durationMs: number;
      /** The end of what the command printed. */
      output: string;
    }
  /** A caller sent a message to Codex. */
  | { type: 'steered'; text: string }
  /** The operation waits for approvers. */
  | {
      type: 'approval_requested';
      approvalId: string;
      kind: ApprovalKind;
      operation: string;
      risk: Risk;
      neededApprovers: number;
      expiresAt: string;
    }
  /** An approver decided, or the approval expired or was superseded. */
  | {
      type: 'approval_decided';
      approvalId: string;
      state: ApprovalState;
      by: string | undefined;
      reason: string | undefined;
    };
