import path from 'node:path';
import type { Logger } from 'pino';
import type { CodexClient, OpenedThread, ThreadOptions } from '../../codex/codex-client.ts';
import { RpcRefusal } from '../../codex/connection/json-rpc.ts';
import { AppError } from '../../errors.ts';
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
  agentId: string;
  codex: CodexClient;
  /** The directory of the workspace inside the container. */
  workspace: string;
  store: { agents: AgentStore; threads: ThreadStore };
  model: string;
  mcpServers: McpServers;
  /** Hears what the next caller has to know. */
  onNote: (note: string) => void;
  log: Logger;
};

/** The agent's own conversation, and the settings of the agent that it was loaded with. */
type Main = { loading: Promise<string>; settings: string | undefined };

/** The conversations of an agent that is awake: its own one, and those that callers began. */
export class AgentThreads {
  readonly #options: AgentThreadsOptions;
  #main: Main | undefined;
  #instructionSources: readonly string[] | undefined;

  constructor(options: AgentThreadsOptions) {
    this.#options = options;
  }

  /** What holds for the agent now. */
  get settings(): AgentSettings {
    const { store, agentId } = this.#options;
    return store.agents.get(agentId)?.settings ?? {};
  }

  /** The files that Codex took instructions from for the agent's own conversation; undefined before. */
  get instructionSources(): readonly string[] | undefined {
    return this.#instructionSources;
  }

  /**
   * Loads the agent's own conversation, or begins it; answers its thread id. Where the settings of
   * the agent changed it is loaded anew, unless that is to join a turn that runs in it.
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

  /** Has the agent's own conversation looked up anew by whoever needs it next, as it is another one now. */
  forgetMain(): void {
    this.#main = undefined;
  }

  /** Begins another conversation; answers its thread id. */
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

  /** Loads a conversation that was begun earlier. Throws `thread_not_found` if Codex has it no longer. */
  async resume(threadId: string, settings: ThreadSettings, { joins = false } = {}): Promise<void> {
    const { codex, store } = this.#options;
    try {
      await codex.resumeThread(threadId, this.#threadOptions(settings));
    } catch (cause) {
      if (!isRefused(cause)) throw cause;
      throw new AppError(
        'thread_not_found',
        `The conversation ${threadId} is gone: nothing was finished in it, or the home of its agent was removed.`,
        { cause },
      );
    }
    if (!joins) {
      const told = store.threads.get(threadId)?.toldInstructions;
      await this.#instruct(threadId, told, (mark) =>
        store.threads.setToldInstructions(threadId, mark),
      );
    }
    store.threads.touch(threadId, new Date());
  }

  /** Lets Codex put a conversation away; it can be resumed. The agent's own one stays at hand. */
  async leave(threadId: string): Promise<void> {
    if (threadId === (await this.#main?.loading.catch(() => undefined))) return;
    await this.#options.codex.leaveThread(threadId);
  }

  async #loadMain({ joins, isLoaded }: { joins: boolean; isLoaded: boolean }): Promise<string> {
    const { agentId, codex, store } = this.#options;
    const mark = instructionsDigest(this.settings.instructions);
    const options = this.#threadOptions(MAIN_SETTINGS);
    const agent = store.agents.get(agentId);
    const earlier = await this.#loadEarlier(agent, options, isLoaded);
    const opened = earlier ?? (await codex.startThread(options));
    const { threadId } = opened;
    this.#instructionSources = opened.instructionSources;
    const told = earlier ? agent?.toldInstructions : mark;
    if (threadId !== agent?.threadId) store.agents.setThread(agentId, threadId, told);
    if (!joins) {
      await this.#instruct(threadId, told, (now) => store.agents.setThread(agentId, threadId, now));
    }
    return threadId;
  }

  /** The conversation that the agent had, or one that goes on from the agent that it was forked of. */
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
      // One that is loaded stays as it is.
      if (isLoaded) await codex.leaveThread(own);
      return { ...(await codex.resumeThread(own, options)), threadId: own };
    } catch (error) {
      if (!isRefused(error)) throw error;
      // A thread without a finished message, or a home volume that was removed, leaves nothing to load.
      log.warn(
        { agentId, threadId: known, err: error },
        'The conversation is gone; a new one begins',
      );
      onNote(`The conversation ${known} was lost: a new one began.`);
      return undefined;
    }
  }

  /** What a conversation was told once stays in it: it has to hear what holds instead. */
  async #instruct(
    threadId: string,
    told: string | undefined,
    note: (mark: string | undefined) => void,
  ): Promise<void> {
    const { instructions } = this.settings;
    const mark = instructionsDigest(instructions);
    if (mark === told) return;
    await this.#options.codex.instruct(threadId, changedInstructions(instructions));
    note(mark);
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
      onNote(`The MCP server ${name} is not on the list of the server any more.`);
    }
    return list.configOf(mcpServers, { mayAsk });
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof AppError && error.cause instanceof RpcRefusal;
}
