import type { Source } from '../agents/sources/source.ts';
import type { REASONING_EFFORTS, ThreadSettings } from '../agents/threads/thread.ts';
import type { ErrorCode, ErrorReport } from '../errors.ts';
import type { TokenUsage } from '../gateway/spending/token-usage.ts';
import type { AgentId } from '../identity/agent-id.ts';
import type { Checkpoint } from '../workspaces/checkpoint.ts';
import type { CheckProgress } from './checks/check.ts';

export const TURN_STATES = [
  'queued',
  'running',
  'waiting_approval',
  'completed',
  'failed',
  'interrupted',
  'expired',
] as const;
export type TurnState = (typeof TURN_STATES)[number];

/** The settings of one candidate. */
export type CandidateRequest = {
  model?: string | undefined;
  effort?: TurnRequest['effort'];
};

/** The work that Codex is asked for. */
export type TurnRequest = {
  agentId: AgentId;
  /** Id of the caller. Default: the machine's own user. */
  principal?: string | undefined;
  tenant?: string | undefined;
  /** Name of a {@link TurnKind}. */
  tool: string;
  /** Arguments for the kind, as the tool checked them. */
  args: Record<string, unknown>;
  /** Fills the workspace before the turn. */
  source?: Source | undefined;
  /** A thread of the caller; one without an id is started. Default: the agent's own thread. */
  thread?: { threadId?: string | undefined; settings: ThreadSettings } | undefined;
  model?: string | undefined;
  effort?: (typeof REASONING_EFFORTS)[number] | undefined;
  /** Names of skills that the model must use. */
  skills?: readonly string[] | undefined;
  /** Bounds the whole call, waiting included. */
  timeoutSeconds?: number | undefined;
  /** For the approver. */
  justification?: string | undefined;
  /** Runs the turn as candidates, each on a fork of the agent, instead of on the agent. */
  candidates?: readonly CandidateRequest[] | undefined;
  /** Id of the turn that this one is a candidate of. */
  trial?: string | undefined;
  /** Id of the request that brought the call, for the audit log. */
  correlationId?: string | undefined;
  /** Calls with the same key get the same turn. */
  idempotencyKey?: string | undefined;
};

/** Written before Codex is asked, so that a later server finds the turn again. */
export type SentTurn = {
  /** The id under which Codex stores the last prompt of the turn, repairs apart. */
  clientMessageId: string;
  threadId: string;
  /** The files before the turn. No command runs before they are recorded. */
  before?: Checkpoint;
  checks?: CheckProgress;
};

/** One call of a working tool. */
export type TurnRecord = {
  turnId: string;
  agentId: AgentId;
  tool: string;
  state: TurnState;
  request: TurnRequest;
  sent?: SentTurn;
  /** What the tool returns, in state `completed`. */
  result?: Record<string, unknown>;
  /** Why the turn did not complete. */
  error?: ErrorReport;
  usage?: TokenUsage;
  createdAt: Date;
  endedAt?: Date;
};

/** The state of a turn that ended with an error. */
export function endStateOf(code: ErrorCode): TurnState {
  switch (code) {
    case 'turn_timeout':
    case 'approval_expired':
      return 'expired';
    case 'cancelled':
    case 'shutting_down':
    case 'turn_interrupted':
    case 'budget_exceeded':
      return 'interrupted';
    default:
      return 'failed';
  }
}
