import type { ApprovalKind, ApprovalState } from '../../approvals/approval.ts';
import type { Risk } from '../../approvals/risk.ts';
import type { CodexEvent } from '../../codex/codex-event.ts';

/** What happens in a turn: for progress, the journal and the streams of clients. */
export type TurnEvent =
  | CodexEvent
  /** What the caller checks the work by runs, after each round of Codex's work. */
  | { type: 'check_started'; round: number; rounds: number; command: string }
  | {
      type: 'check_completed';
      round: number;
      rounds: number;
      command: string;
      passed: boolean;
      /** Undefined if it was killed. */
      exitCode: number | undefined;
      timedOut: boolean;
      durationMs: number;
      /** The end of what it printed. */
      output: string;
    }
  /** A caller said more to Codex. */
  | { type: 'steered'; text: string }
  /** People are asked, and nothing of it happens before they have agreed. */
  | {
      type: 'approval_requested';
      approvalId: string;
      kind: ApprovalKind;
      operation: string;
      risk: Risk;
      neededApprovers: number;
      expiresAt: string;
    }
  /** Somebody said something to it, or it ended by itself. */
  | {
      type: 'approval_decided';
      approvalId: string;
      state: ApprovalState;
      by: string | undefined;
      reason: string | undefined;
    };
