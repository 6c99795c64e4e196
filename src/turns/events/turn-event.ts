import type { ApprovalKind, ApprovalState } from '../../approvals/approval.ts';
import type { Risk } from '../../approvals/risk.ts';

/** What Codex does in a turn, in our own words: for progress, the journal and the streams of clients. */
export type TurnEvent =
  | { type: 'turn_started'; turnId: string }
  /** A summary of the model's reasoning. */
  | { type: 'thinking'; text: string }
  | { type: 'plan_updated'; steps: readonly PlanStep[]; omitted?: number }
  | { type: 'command_started'; itemId: string; command: string }
  | {
      type: 'command_completed';
      itemId: string;
      command: string;
      exitCode: number | undefined;
      durationMs: number | undefined;
      /** The end of what it printed. */
      output: string;
    }
  | {
      type: 'files_changed';
      itemId: string;
      paths: readonly string[];
      applied: boolean;
      /** How many more there are than are listed. */
      omitted?: number;
    }
  /** A call of an MCP or other tool by Codex. */
  | { type: 'tool_called'; itemId: string; tool: string }
  | { type: 'web_searched'; itemId: string; query: string }
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
  /** A whole message of the model. */
  | { type: 'message'; itemId: string; text: string }
  | { type: 'context_compacted' }
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
    }
  /** Codex lost the model and tries again. */
  | { type: 'reconnecting'; message: string }
  | { type: 'warning'; message: string };

export type PlanStep = { step: string; status: 'pending' | 'in_progress' | 'completed' };
