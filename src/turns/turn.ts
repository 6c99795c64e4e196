import type { Source } from '../agents/sources/source.ts';
import type { REASONING_EFFORTS, ThreadSettings } from '../agents/threads/thread.ts';
import type { ErrorCode, ErrorReport } from '../errors.ts';
import type { TokenUsage } from '../gateway/spending/token-usage.ts';
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

/** How one of several does the same work. */
export type CandidateRequest = {
  model?: string | undefined;
  effort?: TurnRequest['effort'];
};

/** One piece of work for Codex, as a caller asked for it. */
export type TurnRequest = {
  agentId: string;
  /** Id of who asked; absent where that was the machine's own user. */
  principal?: string | undefined;
  tenant?: string | undefined;
  /** Name of a {@link TurnKind}. */
  tool: string;
  /** Arguments that the kind has checked. */
  args: Record<string, unknown>;
  /** What the workspace is to hold before. */
  source?: Source | undefined;
  /** The conversation: one of a caller, to be begun where it has no id yet. Default: the agent's own. */
  thread?: { threadId?: string | undefined; settings: ThreadSettings } | undefined;
  model?: string | undefined;
  effort?: (typeof REASONING_EFFORTS)[number] | undefined;
  /** Names of skills that have to be used. */
  skills?: readonly string[] | undefined;
  /** Bounds the whole call, waiting included. */
  timeoutSeconds?: number | undefined;
  /** Why, for whoever approves it. */
  justification?: string | undefined;
  /** Has so many forks of the agent do the work, each with a model and an effort, instead of itself. */
  candidates?: readonly CandidateRequest[] | undefined;
  /** The turn that asked for this one, as a candidate. */
  trial?: string | undefined;
  /** Of the request that brought the call: what follows from it is audited with it. */
  correlationId?: string | undefined;
  /** The same key never runs a turn twice. */
  idempotencyKey?: string | undefined;
};

/** Written before Codex is asked, so that a later server finds the turn again. */
export type SentTurn = {
  /** The id under which Codex has the last prompt of the turn, repairs apart. */
  clientMessageId: string;
  threadId: string;
  /** The files before the turn; absent until known, and nothing runs before that. */
  before?: Checkpoint;
  /** How far its checks came. */
  checks?: CheckProgress;
};

/** One call of a working tool, from being accepted to its end. */
export type TurnRecord = {
  turnId: string;
  agentId: string;
  tool: string;
  state: TurnState;
  request: TurnRequest;
  sent?: SentTurn;
  /** What the tool returns, once completed. */
  result?: Record<string, unknown>;
  /** Why it did not complete. */
  error?: ErrorReport;
  usage?: TokenUsage;
  createdAt: Date;
  endedAt?: Date;
};

/** The state in which an error of this code leaves a turn. */
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
