export const SANDBOXES = ['read-only', 'workspace-write', 'danger-full-access'] as const;
export const APPROVAL_POLICIES = ['untrusted', 'on-request', 'never'] as const;
export const REASONING_EFFORTS = ['minimal', 'low', 'medium', 'high', 'xhigh'] as const;
export const CALL_MODES = ['interactive', 'non-interactive', 'ci'] as const;

/** How the turns of one conversation run. Fixed when it begins, so that no later turn may do more. */
export type ThreadSettings = {
  sandbox: (typeof SANDBOXES)[number];
  /** What Codex has to ask for first. */
  approvalPolicy: (typeof APPROVAL_POLICIES)[number];
  /** Who calls, and whether Codex was to go on by itself: with the sandbox, what a turn risks. */
  mode?: (typeof CALL_MODES)[number] | undefined;
  fullAuto?: boolean | undefined;
  /** Directory of its turns, relative to the workspace. */
  cwd?: string | undefined;
  /** Model and effort of a turn that names none. */
  model?: string | undefined;
  effort?: (typeof REASONING_EFFORTS)[number] | undefined;
  /** Takes the place of Codex's own instructions. */
  baseInstructions?: string | undefined;
  developerInstructions?: string | undefined;
  /** Settings of Codex, by its own names. */
  config?: Record<string, unknown> | undefined;
};

/** A conversation that an agent has besides its own one. */
export type ThreadRecord = {
  /** Codex's id of it. */
  threadId: string;
  agentId: string;
  settings: ThreadSettings;
  /** Which instructions of its agent it was told; absent: none. */
  toldInstructions?: string | undefined;
  createdAt: Date;
  lastUsedAt: Date;
};
