export const ASK_KINDS = ['command', 'patch', 'permission', 'mcp_tool', 'user_input'] as const;
export type AskKind = (typeof ASK_KINDS)[number];

/** What Codex asks its client for during a turn, in our own words. */
export type CodexAsk = {
  kind: AskKind;
  /** The same when Codex asks again, as it does after a connection broke. */
  key: string;
  threadId: string;
  /** Codex's id of the turn. */
  turnId: string;
  /** In a line. */
  operation: string;
  arguments: Record<string, unknown>;
  /** Why, in Codex's words. */
  reason?: string | undefined;
  cwd?: string | undefined;
  /** Whether it asks for more than the turn was given: files elsewhere, permissions, the network. */
  wantsMore: boolean;
};

export type AskAnswer = {
  approve: boolean;
  /** Of a question, by its id. */
  answers?: Record<string, string> | undefined;
};

/** Never rejects. */
export type Answerer = (ask: CodexAsk) => Promise<AskAnswer>;
