import type { AgentRecord } from '../agents/agent.ts';
import type { AgentForks } from '../agents/agent-forks.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import type { HostDirectories } from '../agents/host/host-directories.ts';
import type { AgentLink } from '../agents/links/agent-link.ts';
import type { AgentName } from '../identity/agent-id.ts';
import type { ExclusiveAccess } from '../turns/admission/exclusive-access.ts';
import { CallerView } from './caller-view.ts';
import { derivedName } from './derived-name.ts';

export type WorkspaceServices = {
  store: { agents: AgentStore };
  agents: AgentManager;
  exclusive: ExclusiveAccess;
  forks: AgentForks;
  directories: HostDirectories;
};

type Use<T> = (link: AgentLink, agent: AgentRecord) => Promise<T>;

/** The workspaces of one caller's agents. Each use wakes the agent. Others' agents are `agent_not_found`. */
export class CallerWorkspaces extends CallerView<WorkspaceServices> {
  /** Reads files, perhaps while a turn changes them. Throws `agent_not_found` or `forbidden`. */
  async read<T>(name: AgentName, use: Use<T>): Promise<T> {
    const { agents, store } = this.services;
    const agent = this.recordOf(name, 'read');
    store.agents.touch(agent.agentId, new Date());
    return agents.withAgent(agent.agentId, (link) => use(link, agent));
  }

  /**
   * Changes files while no turn runs; creates an agent that does not exist. Throws what
   * `ExclusiveAccess.write` throws, `agent_not_found` or `forbidden`. A `directory` of the machine becomes
   * the workspace before the agent wakes; throws what `HostDirectories.attach` throws.
   */
  async change<T>(name: AgentName, use: Use<T>, directory?: string): Promise<T> {
    const { exclusive, ownerships, directories } = this.services;
    this.demand('work');
    const agent = ownerships.findOrNew(this.principal, name);
    if (directory === undefined) return exclusive.write(agent, (link) => use(link, agent));
    directories.admit(this.principal, agent, directory);
    return exclusive.write(
      agent,
      (link) => use(link, agent),
      () => void directories.attach(agent.agentId, directory),
    );
  }

  /** Whether `change` would find the agent. Throws `agent_not_found` for a name that the caller may not use, or `forbidden`. */
  has(name: AgentName): boolean {
    const { ownerships, store } = this.services;
    this.demand('work');
    return store.agents.get(ownerships.findOrNew(this.principal, name).agentId) !== undefined;
  }

  /** Reads files while no turn runs. Throws `agent_busy`, `agent_not_found` or `forbidden`. */
  async readIdle<T>(name: AgentName, use: Use<T>): Promise<T> {
    const agent = this.recordOf(name, 'work');
    return this.services.exclusive.read(agent, (link) => use(link, agent));
  }

  /**
   * Creates an agent, by default one with a generated name, from copies of the files and the
   * conversation of one; returns its name. Throws what `AgentForks.fork` throws, `agent_busy`,
   * `agent_not_found` or `forbidden`.
   */
  async fork(
    name: AgentName,
    forkName: AgentName | undefined,
    signal: AbortSignal,
  ): Promise<AgentName> {
    const { exclusive, forks, ownerships } = this.services;
    const source = this.recordOf(name, 'work');
    const fork = ownerships.findOrNew(this.principal, forkName ?? derivedName(name, 'fork'));
    const { agentId } = await exclusive.run(source, () => forks.fork(source, fork, signal));
    return this.nameOf(agentId);
  }
}
