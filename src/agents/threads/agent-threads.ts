import path from 'node:path';
import type { Logger } from 'pino';
import type { CodexClient, OpenedThread, ThreadOptions } from '../../codex/codex-client.ts';
import { RpcRefusal } from '../../codex/connection/json-rpc.ts';
import { AppError } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { AgentRecord } from '../agent.ts';
import type { AgentStore } from '../agent-store.ts';
import {
  changedInstructions,
  developerInstructions,
  instructionsDigest,
} from './agent-instructions.ts';
import type { AgentSettings } from './agent-settings.ts';
import type { McpServers } from './mcp-servers.ts';
import type { ThreadSettings } from './thread.ts';
import type { ThreadStore } from './thread-store.ts';

const DEVELOPER_INSTRUCTIONS = `You work for other programs, which hand you one task at a time and read your
answer with a parser: nobody can answer questions, so decide sensibly and say what you assumed.
Your working directory is the workspace; it persists over tasks, as does this conversation.
When an answer in JSON is asked for, the final message is that JSON object alone.`;

const MAIN_SETTINGS = {
  approvalPolicy: 'never',
  developerInstructions: DEVELOPER_INSTRUCTIONS,
} as const;

export type AgentThreadsOptions = {
  agentId: AgentId;
  codex: CodexClient;
  /** Directory of the workspace in the container. */
  workspace: string;
  store: { agents: AgentStore; threads: ThreadStore };
  model: string;
  mcpServers: McpServers;
  /** Receives notes for the next caller. */
  onNote: (note: string) => void;
  log: Logger;
};

/** The main thread, and the agent's settings at the time of its load. */
type Main = { loading: Promise<string>; settings: string | undefined };

/** The threads of an awake agent: its main thread, and those that callers started. */
export class AgentThreads {
  readonly #options: AgentThreadsOptions;
  #main: Main | undefined;
  #instructionSources: readonly string[] | undefined;

  constructor(options: AgentThreadsOptions) {
    this.#options = options;
  }

  get settings(): AgentSettings {
    const { store, agentId } = this.#options;
    return store.agents.get(agentId)?.settings ?? {};
  }

  /** Files that Codex read instructions of the main thread from; undefined before its load. */
  get instructionSources(): readonly string[] | undefined {
    return this.#instructionSources;
  }

  /**
   * Loads or starts the main thread, and returns its id. After a change of the agent's settings the thread
   * is loaded again, except to join a running turn.
   */
  main({ joins = false } = {}): Promise<string> {
    const settings = JSON.stringify(this.settings);
    const known = this.#main;
    if (known && (joins || known.settings === settings)) return known.loading;
    const loading = this.#loadMain({ joins, isLoaded: known !== undefined });
    const main = { loading, settings: joins ? undefined : settings };
    this.#main = main;
    loading.catch(() => {
      if (this.#main === main) this.#main = undefined;
    });
    return loading;
  }

  /** To be called after the store has another main thread. */
  forgetMain(): void {
    this.#main = undefined;
  }

  /** Starts another thread and returns its id. */
  async begin(settings: ThreadSettings): Promise<string> {
    const { agentId, codex, store } = this.#options;
    const { instructions } = this.settings;
    const { threadId } = await codex.startThread(this.#threadOptions(settings));
    const now = new Date();
    const toldInstructions = instructionsDigest(instructions);
    const times = { createdAt: now, lastUsedAt: now };
    store.threads.put({ threadId, agentId, settings, toldInstructions, ...times });
    return threadId;
  }

  /** Loads another thread. Throws `thread_not_found` if Codex no longer has it. */
  async resume(threadId: string, settings: ThreadSettings, { joins = false } = {}): Promise<void> {
    const { codex, store } = this.#options;
    try {
      await codex.resumeThread(threadId, this.#threadOptions(settings));
    } catch (cause) {
      if (!isRefused(cause)) throw cause;
      throw new AppError(
        'thread_not_found',
        `The session ${threadId} does not exist any more: no turn of it was completed, or the home of its agent was removed.`,
        { cause },
      );
    }
    if (!joins) {
      const told = store.threads.get(threadId)?.toldInstructions;
      await this.#instruct(threadId, told, (digest) =>
        store.threads.setToldInstructions(threadId, digest),
      );
    }
    store.threads.touch(threadId, new Date());
  }

  /** Lets Codex unload a thread, except for the main thread. */
  async leave(threadId: string): Promise<void> {
    if (threadId === (await this.#main?.loading.catch(() => undefined))) return;
    await this.#options.codex.leaveThread(threadId);
  }

  async #loadMain({ joins, isLoaded }: { joins: boolean; isLoaded: boolean }): Promise<string> {
    const { agentId, codex, store } = this.#options;
    const digest = instructionsDigest(this.settings.instructions);
    const options = this.#threadOptions(MAIN_SETTINGS);
    const agent = store.agents.get(agentId);
    const earlier = await this.#loadEarlier(agent, options, isLoaded);
    const opened = earlier ?? (await codex.startThread(options));
    const { threadId } = opened;
    this.#instructionSources = opened.instructionSources;
    const told = earlier ? agent?.toldInstructions : digest;
    if (threadId !== agent?.threadId) store.agents.setThread(agentId, threadId, told);
    if (!joins) {
      await this.#instruct(threadId, told, (now) => store.agents.setThread(agentId, threadId, now));
    }
    return threadId;
  }

  /** The existing main thread, or a fork of the thread of `forkOf`. */
  async #loadEarlier(
    agent: Pick<AgentRecord, 'threadId' | 'forkOf'> | undefined,
    options: ThreadOptions,
    isLoaded: boolean,
  ): Promise<(OpenedThread & { threadId: string }) | undefined> {
    const { agentId, codex, onNote, log } = this.#options;
    const { threadId: own, forkOf } = agent ?? {};
    const known = own ?? forkOf;
    if (known === undefined) return undefined;
    try {
      if (!own) return await codex.forkThread(known, options);
      // Codex ignores new options of a loaded thread.
      if (isLoaded) await codex.leaveThread(own);
      return { ...(await codex.resumeThread(own, options)), threadId: own };
    } catch (error) {
      if (!isRefused(error)) throw error;
      // Codex has no thread without a completed message, or after the removal of the home volume.
      log.warn(
        { agentId, threadId: known, err: error },
        'The thread does not exist any more; starting a new one',
      );
      onNote(`The session ${known} was lost; a new one was started.`);
      return undefined;
    }
  }

  /** Tells a thread of changed instructions, since the old ones stay in its history. */
  async #instruct(
    threadId: string,
    told: string | undefined,
    save: (digest: string | undefined) => void,
  ): Promise<void> {
    const { instructions } = this.settings;
    const digest = instructionsDigest(instructions);
    if (digest === told) return;
    await this.#options.codex.instruct(threadId, changedInstructions(instructions));
    save(digest);
  }

  #threadOptions(settings: Omit<ThreadSettings, 'sandbox'>): ThreadOptions {
    const { workspace, model } = this.#options;
    const ofAgent = this.settings;
    const { cwd = '.', baseInstructions, config, approvalPolicy } = settings;
    const servers = this.#mcpServers(ofAgent, approvalPolicy !== 'never');
    return {
      cwd: path.posix.join(workspace, cwd),
      model: settings.model ?? ofAgent.model ?? model,
      baseInstructions: baseInstructions ?? ofAgent.baseInstructions,
      developerInstructions: developerInstructions(
        settings.developerInstructions,
        ofAgent.instructions,
      ),
      config: servers ? { ...config, mcp_servers: servers } : config,
    };
  }

  #mcpServers({ mcpServers = [] }: AgentSettings, mayAsk: boolean) {
    const { mcpServers: list, onNote } = this.#options;
    for (const name of mcpServers.filter((each) => !list.has(each))) {
      onNote(`The MCP server ${name} is no longer in the list of the server.`);
    }
    return list.configOf(mcpServers, { mayAsk });
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof AppError && error.cause instanceof RpcRefusal;
}
