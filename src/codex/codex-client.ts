import type { CodexEvent } from './codex-event.ts';
import type { ServerRequestHandler } from './server-requests/server-request.ts';

/** One connection to the Codex of one agent. */
export interface CodexClient {
  /** Such as `0.169.0`. */
  readonly version: string;
  /** Resolves when the connection has ended, with the error if it broke. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  startThread(options: ThreadOptions): Promise<OpenedThread & { threadId: string }>;
  /**
   * Loads a thread from the agent's home and subscribes to it. Codex ignores the options of a thread
   * that is loaded already, and never repeats instructions to the model. Throws `codex_failed` if the
   * thread does not exist.
   */
  resumeThread(threadId: string, options: ThreadOptions): Promise<OpenedThread>;
  /** Starts a thread with the turns of another one. Throws `codex_failed` if that does not exist. */
  forkThread(
    threadId: string,
    options: ThreadOptions,
  ): Promise<OpenedThread & { threadId: string }>;
  /** Appends instructions to a loaded thread on which no turn runs. */
  instruct(threadId: string, text: string): Promise<void>;
  /** Adds a directory of skills for the lifetime of the app-server. */
  addSkills(directory: string): Promise<void>;
  /** The enabled skills of a working directory. */
  listSkills(cwd: string): Promise<Skill[]>;
  /** Unsubscribes from a thread, so that Codex may unload it. */
  leaveThread(threadId: string): Promise<void>;
  /** Whether any thread runs a turn that another connection started. */
  hasRunningTurn(): Promise<boolean>;
  /**
   * Starts a turn on a thread that runs none; Codex would steer a running one instead. Events arrive in
   * order, from before this resolves until `completed` settles. Without a handler, server requests are
   * declined.
   */
  startTurn(
    options: TurnOptions,
    onEvent: (event: CodexEvent) => void,
    onServerRequest?: ServerRequestHandler,
  ): Promise<RunningTurn>;
  /**
   * Finds a turn of an earlier connection on a resumed thread by its client message id, and subscribes
   * to it. Undefined if Codex never received the turn. Past events are lost; Codex repeats open server
   * requests.
   */
  joinTurn(
    threadId: string,
    clientMessageId: string,
    onEvent: (event: CodexEvent) => void,
    onServerRequest?: ServerRequestHandler,
  ): Promise<RunningTurn | undefined>;
  /** Adds a message to a running turn. Throws `turn_not_running` if the turn has ended. */
  steerTurn(threadId: string, turnId: string, message: string): Promise<void>;
  /** Interrupts a turn; does nothing if the turn has ended. */
  interruptTurn(threadId: string, turnId: string): Promise<void>;
  /** Kills the commands that a turn left behind. */
  cleanBackgroundTerminals(threadId: string): Promise<void>;
  /**
   * Runs a program outside of all threads, with the sandbox and the environment of a turn's commands.
   * Codex kills its process group at the timeout, on `signal` and when the connection ends; processes
   * outside of the group are killed only by Codex's own sandbox. Throws `codex_failed` if the program
   * does not start.
   */
  runCommand(options: CommandOptions, signal: AbortSignal): Promise<CommandEnd>;
  close(): Promise<void>;
}

export type ThreadOptions = {
  cwd: string;
  model: string;
  /** Replaces Codex's own instructions. */
  baseInstructions?: string | undefined;
  developerInstructions?: string | undefined;
  /** Codex configuration, by Codex's own keys. */
  config?: Record<string, unknown> | undefined;
};

export type OpenedThread = {
  /** Files that Codex read instructions from, such as an AGENTS.md. */
  instructionSources: readonly string[];
};

export type Skill = {
  name: string;
  description: string;
  /** Path of the SKILL.md. */
  path: string;
  /** `admin` (server or image), `user` (home of the agent), `repo` or `system` (Codex itself). */
  scope: string;
};

/** `external`: the container is the sandbox. The others use Codex's own, for runtimes without containers. */
export type TurnSandbox = 'external' | 'workspace-write' | 'read-only';

export type TurnOptions = {
  threadId: string;
  prompt: string;
  /** Skills that the model must use. */
  skills?: readonly Pick<Skill, 'name' | 'path'>[] | undefined;
  cwd: string;
  model: string;
  effort: string;
  sandbox: TurnSandbox;
  /** When Codex must ask for approval. */
  approvalPolicy: 'untrusted' | 'on-request' | 'never';
  /** JSON Schema of the final message. */
  outputSchema?: Record<string, unknown> | undefined;
  /** Stored by Codex with the prompt; {@link CodexClient.joinTurn} finds the turn by it. */
  clientMessageId: string;
};

export type CommandOptions = {
  command: readonly string[];
  cwd: string;
  sandbox: TurnSandbox;
  timeoutMs: number;
  /** Bytes kept of each stream, from its start. */
  outputBytes: number;
};

/** A killed program has the exit code 137, or 124 after the timeout. */
export type CommandEnd = { exitCode: number; stdout: string; stderr: string };

export type RunningTurn = {
  turnId: string;
  /** Rejects only if the connection breaks before the turn ends. */
  completed: Promise<TurnCompletion>;
};

export type TurnCompletion =
  | { status: 'completed'; finalMessage: string }
  | { status: 'interrupted' }
  | { status: 'failed'; failure: TurnFailure };

export type TurnFailure = {
  kind:
    | 'unauthorized'
    | 'rate_limited'
    | 'quota_exceeded'
    | 'rejected'
    | 'unavailable'
    | 'context_too_long'
    | 'other';
  message: string;
  httpStatus?: number;
};
