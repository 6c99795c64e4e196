/** An event of a turn, independent of Codex's protocol. */
export type CodexEvent =
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
      /** The last part of its output. */
      output: string;
    }
  | {
      type: 'files_changed';
      itemId: string;
      paths: readonly string[];
      applied: boolean;
      /** Number of paths that are not listed. */
      omitted?: number;
    }
  /** A call of an MCP or other tool by Codex. */
  | { type: 'tool_called'; itemId: string; tool: string }
  | { type: 'web_searched'; itemId: string; query: string }
  /** A complete message of the model. */
  | { type: 'message'; itemId: string; text: string }
  | { type: 'context_compacted' }
  /** Codex lost the connection to the model and retries. */
  | { type: 'reconnecting'; message: string }
  | { type: 'warning'; message: string };

export type PlanStep = { step: string; status: 'pending' | 'in_progress' | 'completed' };
