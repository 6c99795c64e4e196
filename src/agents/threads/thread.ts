import type { AgentId } from '../../identity/agent-id.ts';
export const SANDBOXES = ['read-only', 'workspace-write', 'danger-full-access'] as const;
export const APPROVAL_POLICIES = ['untrusted', 'on-request', 'never'] as const;
export const REASONING_EFFORTS = ['minimal', 'low', 'medium', 'high', 'xhigh'] as const;
export const CALL_MODES = ['interactive', 'non-interactive', 'ci'] as const;

/** Settings of all turns of a thread, fixed at its start. */
export type ThreadSettings = {
  sandbox: (typeof SANDBOXES)[number];
  /** When Codex must ask for approval. */
  approvalPolicy: (typeof APPROVAL_POLICIES)[number];
  /** Mode of the caller; with `fullAuto` and the sandbox it determines the risk of a turn. */
  mode?: (typeof CALL_MODES)[number] | undefined;
  fullAuto?: boolean | undefined;
  /** Working directory, relative to the workspace. */
  cwd?: string | undefined;
  /** Defaults of turns, as `effort`. */
  model?: string | undefined;
  effort?: (typeof REASONING_EFFORTS)[number] | undefined;
  /** Replaces Codex's own instructions. */
  baseInstructions?: string | undefined;
  developerInstructions?: string | undefined;
  /** Codex configuration, by Codex's own keys. */
  config?: Record<string, unknown> | undefined;
};

/** A thread of an agent besides its main thread. */
export type ThreadRecord = {
  /** Id in Codex: the `session_id` of clients. */
  threadId: string;
  agentId: AgentId;
  settings: ThreadSettings;
  /** Digest of the agent's instructions that the thread has; absent without any. */
  toldInstructions?: string | undefined;
  createdAt: Date;
  lastUsedAt: Date;
};
