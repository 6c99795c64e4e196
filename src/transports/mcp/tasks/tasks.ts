import type { CallToolResult, Result, Server, ServerContext } from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import type { TurnView } from '../../../callers/caller-turns.ts';
import type { Config } from '../../../config/config.ts';
import type { Principal } from '../../../identity/principal.ts';
import type { Caller, ToolCall } from '../../../tools/tool.ts';
import type { Toolbox } from '../../../tools/toolbox.ts';
import { errorResult, successResult } from '../tool-result.ts';

/** The poll interval is a tenth of the task's age, so short tasks end soon and long ones cost little. */
const POLLS_PER_AGE = 10;
const SHORTEST_POLL_MS = 500;
const LONGEST_POLL_MS = 5_000;

/** The part of a caller's turns that tasks use. */
export type TaskTurns = {
  get(turnId: string): TurnView;
  wait(
    turnId: string,
    waiter: Pick<ToolCall, 'signal' | 'progress' | 'onApproval'>,
  ): Promise<TurnView>;
  cancel(turnId: string): Promise<TurnView>;
  list(options: { before?: string; limit: number }): TurnView[];
  latestProgress(turnId: string): { message: string; at: Date } | undefined;
};

type TaskTools = Pick<Toolbox, 'submits' | 'submit' | 'outcome' | 'hold'>;

/** Turns are removed after their own retention, or with their agent. Both in seconds; 0 means never. */
type Retention = Pick<Config, 'RETENTION_TIMEOUT' | 'TURN_RETENTION'>;

type TasksOptions = {
  toolbox: TaskTools;
  /** The view of a caller on turns. */
  turns: (principal: Principal) => TaskTurns;
  caller: Caller;
  config: Retention;
};

/** Parameters of a call that may become a task. */
export type CallParams = {
  name: string;
  arguments?: Record<string, unknown> | undefined;
  /** The task request of 2025-11-25. */
  task?: unknown;
};

/** Tasks in one revision of the protocol, for one session or request. */
export type TaskProtocol = {
  /** Declares the capability and registers the methods of tasks. */
  serve(): void;
  /** Starts a task and returns the response to its call; undefined for a call that is no task. */
  begin(params: CallParams, context: ServerContext): Promise<Result | undefined>;
};

export type TaskProtocolOptions = {
  server: Server;
  /** Those of whoever sent a message. */
  tasks: (context: ServerContext) => Tasks;
  log: Logger;
};

/**
 * Turns of one caller as tasks of MCP. Every turn is one, however it was asked for, and has one id as both: so a
 * task outlives the session in which it began, and the server.
 */
export class Tasks {
  readonly turns: TaskTurns;
  /** Minimum retention of a task; null means for ever. */
  readonly lifetimeMs: number | null;
  readonly #toolbox: TaskTools;
  readonly #caller: Caller;

  constructor({ toolbox, turns, caller, config }: TasksOptions) {
    this.#toolbox = toolbox;
    this.#caller = caller;
    this.turns = turns(caller.principal);
    const seconds = [config.RETENTION_TIMEOUT, config.TURN_RETENTION].filter((each) => each > 0);
    this.lifetimeMs = seconds.length === 0 ? null : Math.min(...seconds) * 1000;
  }

  /** Waits for a task like an open call; see `TurnService.wait`. */
  wait(...args: Parameters<TaskTurns['wait']>): Promise<TurnView> {
    return this.#toolbox.hold(() => this.turns.wait(...args));
  }

  /** Whether calls of a tool can be tasks. Throws `unknown_tool`. */
  supports(tool: string): boolean {
    return this.#toolbox.submits(tool);
  }

  /** Starts a task. Throws what `CallerTurns.submit` throws. */
  submit({ name, arguments: args }: CallParams, correlationId: string): Promise<TurnView> {
    return this.#toolbox.submit(name, args, { ...this.#caller, correlationId });
  }

  /** The result that the call would have had if it had waited for the turn, which has ended. */
  result(turn: TurnView, correlationId: string): CallToolResult {
    try {
      return successResult(this.#toolbox.outcome(turn));
    } catch (error) {
      return errorResult(error, correlationId);
    }
  }

  /** The fields of a task that both revisions share. */
  describe(turn: TurnView) {
    const { turnId, createdAt, endedAt, error } = turn;
    const latest = this.turns.latestProgress(turnId);
    const statusMessage = error ? `${error.code}: ${error.message}` : latest?.message;
    return {
      taskId: turnId,
      ...(statusMessage && { statusMessage }),
      createdAt: createdAt.toISOString(),
      lastUpdatedAt: (endedAt ?? latest?.at ?? createdAt).toISOString(),
    };
  }
}

/** Milliseconds until the next poll of a task; undefined once it has ended. */
export function pollIntervalOf({ createdAt, endedAt }: TurnView): number | undefined {
  if (endedAt) return undefined;
  const share = Math.round((Date.now() - createdAt.getTime()) / POLLS_PER_AGE);
  return Math.min(Math.max(share, SHORTEST_POLL_MS), LONGEST_POLL_MS);
}

/**
 * How the turn of a task stands; `failed` is left to each era to say in its way. A turn that waits for
 * approval is at work: `input_required` would ask the caller, and it is others who decide.
 */
export function stateOf({
  state,
  error,
}: TurnView): 'working' | 'completed' | 'cancelled' | 'failed' {
  if (state === 'queued' || state === 'running' || state === 'waiting_approval') return 'working';
  if (state === 'completed') return 'completed';
  return error?.code === 'cancelled' ? 'cancelled' : 'failed';
}
