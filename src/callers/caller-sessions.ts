import type { AgentRecord, AgentStatus } from '../agents/agent.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import type { ThreadRecord, ThreadSettings } from '../agents/threads/thread.ts';
import type { ThreadStore } from '../agents/threads/thread-store.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { AgentName } from '../identity/agent-id.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import { CallerView } from './caller-view.ts';
import { sessionSettings } from './session-settings.ts';

/** Of one agent. */
const MOST_LISTED = 200;

export type SessionServices = {
  store: { agents: AgentStore; threads: ThreadStore };
  agents: Pick<AgentManager, 'statusOf'>;
  runtime: Pick<ContainerRuntime, 'confines' | 'layout'>;
  config: Pick<Config, 'CODEX_SANDBOX_MODE' | 'CODEX_MODEL'>;
};

/** A conversation with an agent as its caller sees it. */
export type SessionView = {
  threadId: string;
  /** Name of the agent. */
  agent: AgentName;
  status: AgentStatus;
  /** Settings of a conversation that `codex` began; absent for the one that all other tools share. */
  settings: ThreadSettings | undefined;
  sandbox: ThreadSettings['sandbox'];
  model: string;
  createdAt: Date;
  lastUsedAt: Date;
};

type Session = Omit<ThreadRecord, 'settings'> & { settings: ThreadSettings | undefined };

/** Conversations with the agents of one caller. Others' are `thread_not_found`. */
export class CallerSessions extends CallerView<SessionServices> {
  /** Throws `thread_not_found`, also for a conversation of another agent than the named one, `agent_not_found` or `forbidden`. */
  get(threadId: string, agent?: AgentName): SessionView {
    const session = this.#find(threadId);
    const isOfNamed = agent === undefined || this.ownName(agent) === session?.agent;
    if (session && isOfNamed) return session;
    const of = agent === undefined ? '' : ` of agent ${agent}`;
    throw new AppError('thread_not_found', `There is no conversation "${threadId}"${of}.`);
  }

  /** None for an agent that does not exist yet. Throws `agent_not_found` for a name that is not allowed, or `forbidden`. */
  list(agent: AgentName): SessionView[] {
    const record = this.recordIfAny(agent);
    return record ? this.#listOf(record) : [];
  }

  /** Of all agents that are awake or paused. Throws `forbidden`. */
  listActive(): SessionView[] {
    this.demand('read');
    const { agents, ownerships } = this.services;
    return ownerships
      .list(this.principal)
      .filter(({ agentId }) => !['stopped', 'archived'].includes(agents.statusOf(agentId)))
      .flatMap((agent) => this.#listOf(agent));
  }

  /** The settings of a conversation to begin. Throws `invalid_input` for what the runtime cannot give. */
  settingsOf(given: Partial<ThreadSettings>): ThreadSettings {
    return sessionSettings(this.services, given);
  }

  #find(threadId: string): SessionView | undefined {
    this.demand('read');
    const { store, ownerships } = this.services;
    const thread = store.threads.get(threadId);
    const agent = thread ? store.agents.get(thread.agentId) : store.agents.findByThread(threadId);
    if (!agent || !ownerships.sees(this.principal, agent)) return undefined;
    return this.#view(thread ?? { ...agent, threadId, settings: undefined });
  }

  #listOf(agent: AgentRecord): SessionView[] {
    const { agentId, threadId } = agent;
    const begun: Session[] = this.services.store.threads.list({ agentId, limit: MOST_LISTED });
    const all = threadId ? [{ ...agent, threadId, settings: undefined }, ...begun] : begun;
    return all.map((session) => this.#view(session));
  }

  #view({ threadId, agentId, settings, createdAt, lastUsedAt }: Session): SessionView {
    const { agents, config } = this.services;
    return {
      ...{ threadId, settings, createdAt, lastUsedAt },
      agent: this.nameOf(agentId),
      status: agents.statusOf(agentId),
      sandbox: settings?.sandbox ?? config.CODEX_SANDBOX_MODE,
      model: settings?.model ?? config.CODEX_MODEL,
    };
  }
}
