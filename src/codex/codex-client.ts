import type { CodexEvent } from './codex-event.ts';
import type { Answerer } from './requests-of-codex/codex-ask.ts';

/** One connection to the Codex of one agent. */
export interface CodexClient {
  /** Such as `0.169.0`. */
  readonly version: string;
  /** Settles when the connection is over, with the reason if it broke. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  startThread(options: ThreadOptions): Promise<OpenedThread & { threadId: string }>;
  /**
   * Loads a thread from the agent's home and subscribes to it. The options hold unless somebody has
   * it loaded already; instructions are not said again to a model that was told others. Throws
   * `codex_failed` if there is none.
   */
  resumeThread(threadId: string, options: ThreadOptions): Promise<OpenedThread>;
  /** Begins a thread with the turns of another one in the agent's home. Throws `codex_failed` if there is none. */
  forkThread(
    threadId: string,
    options: ThreadOptions,
  ): Promise<OpenedThread & { threadId: string }>;
  /** Adds instructions to what the model of a loaded thread reads from now on. No turn may run on it. */
  instruct(threadId: string, text: string): Promise<void>;
  /** Has Codex look for skills in one more directory, until it ends. */
  addSkills(directory: string): Promise<void>;
  /** The skills that a turn in a directory has. */
  listSkills(cwd: string): Promise<Skill[]>;
  /** Gives up a thread that was started or resumed, so that Codex may put it away. */
  leaveThread(threadId: string): Promise<void>;
  /** Whether a turn runs, on whichever thread, that this connection did not start. */
  hasRunningTurn(): Promise<boolean>;
  /**
   * Starts a turn. There must be none running on the thread: Codex would silently steer that one.
   * Events arrive in order, from before this resolves until `completed` settles. Without an answerer
   * what Codex asks for is declined.
   */
  startTurn(
    options: TurnOptions,
    onEvent: (event: CodexEvent) => void,
    onAsk?: Answerer,
  ): Promise<RunningTurn>;
  /**
   * Finds a turn of an earlier connection by the id it was given, on a thread that was resumed, and
   * listens to it if it still runs. Undefined if Codex never got it. Events that are past are lost;
   * what it waits to be answered is asked again.
   */
  joinTurn(
    threadId: string,
    clientMessageId: string,
    onEvent: (event: CodexEvent) => void,
    onAsk?: Answerer,
  ): Promise<RunningTurn | undefined>;
  /** Says more to a running turn. Throws `turn_not_running` if it has ended. */
  steerTurn(threadId: string, turnId: string, message: string): Promise<void>;
  /** Asks a running turn to end; nothing if it has ended. */
  interruptTurn(threadId: string, turnId: string): Promise<void>;
  /** Kills the commands that a turn left behind. */
  cleanBackgroundTerminals(threadId: string): Promise<void>;
  /**
   * Runs a program apart from all conversations, in a sandbox as turns have it and with the environment
   * of their commands. It is killed with its process group after the time limit, at `signal`, and with
   * the connection; what left the group is killed only where Codex's own sandbox holds. Throws
   * `codex_failed` if it could not be started.
   */
  runCommand(options: CommandOptions, signal: AbortSignal): Promise<CommandEnd>;
  close(): Promise<void>;
}

export type ThreadOptions = {
  cwd: string;
  model: string;
  /** Takes the place of Codex's own instructions. */
  baseInstructions?: string | undefined;
  developerInstructions?: string | undefined;
  /** Settings of Codex, by its own names. */
  config?: Record<string, unknown> | undefined;
};

export type OpenedThread = {
  /** The files, such as an AGENTS.md, that Codex took instructions from. */
  instructionSources: readonly string[];
};

/** A text, by name, of how to do something, with programs perhaps. */
export type Skill = {
  name: string;
  description: string;
  /** Of its SKILL.md. */
  path: string;
  /** `admin`: of the server or the image; `user`: of the agent's home; `repo`; `system`: Codex's own. */
  scope: string;
};

/** `external`: the container is the sandbox. The others are Codex's own, for runtimes without one. */
export type TurnSandbox = 'external' | 'workspace-write' | 'read-only';

export type TurnOptions = {
  threadId: string;
  prompt: string;
  /** Those that the model has to use. */
  skills?: readonly Pick<Skill, 'name' | 'path'>[] | undefined;
  cwd: string;
  model: string;
  effort: string;
  sandbox: TurnSandbox;
  /** What Codex has to ask for first. */
  approvalPolicy: 'untrusted' | 'on-request' | 'never';
  /** JSON schema of the final message. */
  outputSchema?: Record<string, unknown> | undefined;
  /** Stored by Codex with the prompt, to find the turn again. */
  clientMessageId: string;
};

export type CommandOptions = {
  command: readonly string[];
  cwd: string;
  sandbox: TurnSandbox;
  timeoutMs: number;
  /** Of each stream, from its beginning. */
  outputBytes: number;
};

/** The exit code of what was killed is that of a shell: 137, or 124 after the time limit. */
export type CommandEnd = { exitCode: number; stdout: string; stderr: string };

export type RunningTurn = {
  turnId: string;
  /** Rejects only when the connection breaks before the turn ends. */
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
