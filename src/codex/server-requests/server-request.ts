export const SERVER_REQUEST_KINDS = [
  'command',
  'patch',
  'permission',
  'mcp_tool',
  'user_input',
] as const;
export type ServerRequestKind = (typeof SERVER_REQUEST_KINDS)[number];

/** A request of Codex to its client during a turn, independent of Codex's protocol. */
export type ServerRequest = {
  kind: ServerRequestKind;
  /** Stays the same when Codex repeats the request on a new connection. */
  key: string;
  threadId: string;
  /** Id of the turn in Codex. */
  turnId: string;
  /** One line for people. */
  operation: string;
  arguments: Record<string, unknown>;
  /** Codex's own reason. */
  reason?: string | undefined;
  cwd?: string | undefined;
  /** Whether it exceeds the turn's sandbox: files elsewhere, permissions or the network. */
  wantsMore: boolean;
};

export type ServerRequestAnswer = {
  approve: boolean;
  /** Answers of `user_input`, by question id. */
  answers?: Record<string, string> | undefined;
};

/** Never rejects. */
export type ServerRequestHandler = (request: ServerRequest) => Promise<ServerRequestAnswer>;
