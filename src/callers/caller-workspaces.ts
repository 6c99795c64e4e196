import type { AgentRecord } from '../agents/agent.ts';
import type { AgentForks } from '../agents/agent-forks.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import type { HostDirectories } from '../agents/host/host-directories.ts';
import type { AgentLink } from '../agents/links/agent-link.ts';
import { demand } from '../identity/permission.ts';
import type { Principal } from '../identity/principal.ts';
import type { ExclusiveAccess } from '../turns/admission/exclusive-access.ts';
import type { Ownerships } from './ownership.ts';

type Options = {
  store: { agents: AgentStore };
  agents: AgentManager;
  exclusive: ExclusiveAccess;
  forks: AgentForks;
  ownerships: Ownerships;
  directories: HostDirectories;
};

type Use<T> = (link: AgentLink, agent: AgentRecord) => Promise<T>;

/** The files of one caller's agents, which wake for it. Those of others are `agent_not_found`. */
export class CallerWorkspaces {
  readonly #options: Options;
  readonly #principal: Principal;

  constructor(options: Options, principal: Principal) {
    this.#options = options;
    this.#principal = principal;
  }

  /** Looks at the files, perhaps while a turn changes them. Throws `agent_not_found` or `forbidden`. */
  async read<T>(name: string, use: Use<T>): Promise<T> {
    const { agents, store, ownerships } = this.#options;
    demand(this.#principal, 'read');
    const agent = ownerships.find(this.#principal, name);
    store.agents.touch(agent.agentId, new Date());
    return agents.withAgent(agent.agentId, (link) => use(link, agent));
  }

  /**
   * Changes the files while no turn does; begins the agent if it is not there. Throws what
   * `ExclusiveAccess.write` throws, `agent_not_found` or `forbidden`. With `directory`, that becomes the
   * workspace before the agent wakes; throws what `HostDirectories.attach` throws.
   */
  async change<T>(name: string, use: Use<T>, directory?: string): Promise<T> {
    const { exclusive, ownerships, directories } = this.#options;
    demand(this.#principal, 'work');
    const agent = ownerships.begin(this.#principal, name);
    if (directory === undefined) return exclusive.write(agent, (link) => use(link, agent));
    directories.admit(this.#principal, agent, directory);
    return exclusive.write(
      agent,
      (link) => use(link, agent),
      () => void directories.attach(agent.agentId, directory),
    );
  }

  /**
   * Looks at the files while no turn changes them. Throws `agent_busy`, `agent_not_found` or `forbidden`.
   */
  async still<T>(name: string, use: Use<T>): Promise<T> {
    const { exclusive, ownerships } = this.#options;
    demand(this.#principal, 'work');
    const agent = ownerships.find(this.#principal, name);
    return exclusive.read(agent, (link) => use(link, agent));
  }

  /**
   * Begins an agent with copies of the files and the conversation of one. Throws what
   * `AgentForks.fork` throws, `agent_busy`, `agent_not_found` or `forbidden`.
   */
  async fork(name: string, forkName: string, signal: AbortSignal): Promise<AgentRecord> {
    const { exclusive, forks, ownerships } = this.#options;
    demand(this.#principal, 'work');
    const source = ownerships.find(this.#principal, name);
    const fork = ownerships.begin(this.#principal, forkName);
    return exclusive.run(source, () => forks.fork(source, fork, signal));
  }
}
