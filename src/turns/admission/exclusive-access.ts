import type { AgentRecord } from '../../agents/agent.ts';
import { type AgentAdmissionOptions, admitAgent } from '../../agents/agent-admission.ts';
import type { AgentManager } from '../../agents/agent-manager.ts';
import type { AgentLink } from '../../agents/links/agent-link.ts';
import type { KeyedQueue } from '../../concurrency/keyed-queue.ts';
import { AppError } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';

type ExclusiveAccessOptions = {
  agents: AgentManager;
  store: AgentAdmissionOptions['store'];
  queues: KeyedQueue<AgentId>;
  config: AgentAdmissionOptions['config'];
};

/** Access to agents that excludes turns: a turn that is called meanwhile waits. */
export class ExclusiveAccess {
  readonly #options: ExclusiveAccessOptions;

  constructor(options: ExclusiveAccessOptions) {
    this.#options = options;
  }

  /**
   * Runs a task while the agent has no turn. Wakes no agent, and creates the row of a new one. Throws
   * `agent_busy` at once if turns run or wait, `too_many_agents` or `quota_exceeded`.
   */
  async run<T>(agent: AgentRecord, task: () => Promise<T>): Promise<T> {
    const { store, queues } = this.#options;
    const { agentId } = agent;
    if (queues.load(agentId) > 0) {
      throw new AppError('agent_busy', `Agent ${agent.name} is at work: nothing was changed.`);
    }
    admitAgent(this.#options, agent);
    if (!store.agents.get(agentId)) store.agents.put(agent);
    else store.agents.touch(agentId, new Date());
    return queues.add(agentId, task);
  }

  /** Wakes the agent and reads its files; see {@link run}. */
  read<T>(agent: AgentRecord, use: (link: AgentLink) => Promise<T>): Promise<T> {
    return this.run(agent, () => this.#options.agents.withAgent(agent.agentId, use));
  }

  /**
   * Wakes the agent and writes its files; see {@link run}. `prepare` runs before the agent wakes.
   * Throws `workspace_full` too.
   */
  write<T>(
    agent: AgentRecord,
    use: (link: AgentLink) => Promise<T>,
    prepare?: () => void,
  ): Promise<T> {
    const { agents } = this.#options;
    const { agentId } = agent;
    return this.run(agent, async () => {
      agents.disk.assertRoom(agentId);
      prepare?.();
      try {
        return await agents.withAgent(agentId, async (link) => {
          await agents.disk.measureOnce(agentId);
          agents.disk.assertRoom(agentId);
          return use(link);
        });
      } finally {
        agents.disk.turnEnded(agentId);
      }
    });
  }
}
