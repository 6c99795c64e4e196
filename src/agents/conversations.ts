import path from 'node:path';
import type { Logger } from 'pino';
import type { CodexClient, ThreadOptions } from '../codex/codex-client.ts';
import { RpcRefusal } from '../codex/json-rpc.ts';
import { AppError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import type { AgentRecord } from './agent.ts';
import type { ThreadSettings } from './thread.ts';

const DEVELOPER_INSTRUCTIONS = `You work for other programs, which hand you one task at a time and read your
answer with a parser: nobody can answer questions, so decide sensibly and say what you assumed.
Your working directory is the workspace; it persists over tasks, as does this conversation.
When an answer in JSON is asked for, the final message is that JSON object alone.`;

export type ConversationOptions = {
  agentId: string;
  codex: CodexClient;
  /** The directory of the workspace inside the container. */
  workspace: string;
  store: Pick<Store, 'agents' | 'threads'>;
  model: string;
  /** Hears what the next caller has to know. */
  onNote: (note: string) => void;
  log: Logger;
};

/** The conversations of an agent that is awake: its own one, and those that callers began. */
export class Conversations {
  readonly #options: ConversationOptions;
  #main: Promise<string> | undefined;

  constructor(options: ConversationOptions) {
    this.#options = options;
  }

  /** Loads the agent's own conversation, or begins it; answers its thread id. */
  main(): Promise<string> {
    const loading = this.#main ?? this.#loadMain();
    this.#main = loading;
    loading.catch(() => {
      if (this.#main === loading) this.#main = undefined;
    });
    return loading;
  }

  /** Begins another conversation; answers its thread id. */
  async begin(settings: ThreadSettings): Promise<string> {
    const { agentId, codex, store } = this.#options;
    const { threadId } = await codex.startThread(this.#threadOptions(settings));
    const now = new Date();
    store.threads.put({ threadId, agentId, settings, createdAt: now, lastUsedAt: now });
    return threadId;
  }

  /** Loads a conversation that was begun earlier. Throws `thread_not_found` if Codex has it no longer. */
  async resume(threadId: string, settings: ThreadSettings): Promise<void> {
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
    store.threads.touch(threadId, new Date());
  }

  /** Lets Codex put a conversation away; it can be resumed. The agent's own one stays at hand. */
  async leave(threadId: string): Promise<void> {
    if (threadId === (await this.#main?.catch(() => undefined))) return;
    await this.#options.codex.leaveThread(threadId);
  }

  async #loadMain(): Promise<string> {
    const { agentId, codex, workspace, store, model } = this.#options;
    const settings = { cwd: workspace, model, developerInstructions: DEVELOPER_INSTRUCTIONS };
    const earlier = await this.#loadEarlier(store.agents.get(agentId), settings);
    if (earlier?.isOwn) return earlier.threadId;
    const { threadId } = earlier ?? (await codex.startThread(settings));
    store.agents.setThread(agentId, threadId);
    return threadId;
  }

  /** The conversation that the agent had, or one that goes on from the agent that it was forked of. */
  async #loadEarlier(
    agent: Pick<AgentRecord, 'threadId' | 'forkOf'> | undefined,
    settings: ThreadOptions,
  ): Promise<{ threadId: string; isOwn: boolean } | undefined> {
    const { agentId, codex, onNote, log } = this.#options;
    const { threadId: own, forkOf } = agent ?? {};
    const known = own ?? forkOf;
    if (known === undefined) return undefined;
    try {
      if (!own) return { ...(await codex.forkThread(known, settings)), isOwn: false };
      await codex.resumeThread(own, settings);
      return { threadId: own, isOwn: true };
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

  #threadOptions(settings: ThreadSettings): ThreadOptions {
    const { workspace, model } = this.#options;
    const { cwd = '.', baseInstructions, developerInstructions, config } = settings;
    return {
      cwd: path.posix.join(workspace, cwd),
      model: settings.model ?? model,
      baseInstructions,
      developerInstructions,
      config,
    };
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof AppError && error.cause instanceof RpcRefusal;
}
