import type { AgentRecord } from '../../agents/agent.ts';
import { type AgentAdmissionOptions, admitAgent } from '../../agents/agent-admission.ts';
import type { AgentManager } from '../../agents/agent-manager.ts';
import type { AgentLink } from '../../agents/links/agent-link.ts';
import { AppError } from '../../errors.ts';
import type { TurnQueues } from './turn-queues.ts';

type BetweenTurnsOptions = {
  agents: AgentManager;
  store: AgentAdmissionOptions['store'];
  queues: TurnQueues;
  config: AgentAdmissionOptions['config'];
};

/** What is done to an agent that no turn may see half done, such as a push into its workspace. */
export class BetweenTurns {
  readonly #options: BetweenTurnsOptions;

  constructor(options: BetweenTurnsOptions) {
    this.#options = options;
  }

  /**
   * Runs `use`, after `beforeWaking`, with an agent that is awake and has nothing else to do; calls that come meanwhile wait
   * for its end. An agent that does not exist is begun. Throws `agent_busy` at once while turns run
   * or wait, and `workspace_full` unless nothing is written.
   */
  async run<T>(
    agent: AgentRecord,
    use: (link: AgentLink) => Promise<T>,
    beforeWaking?: () => void,
    { writes = true } = {},
  ): Promise<T> {
    const { agents, store, queues } = this.#options;
    const { agentId } = agent;
    if (queues.load(agentId) > 0) {
      throw new AppError('agent_busy', `Agent ${agent.name} is at work: nothing was changed.`);
    }
    admitAgent(this.#options, agent);
    if (writes) agents.disk.assertRoom(agentId);
    if (!store.agents.get(agentId)) store.agents.put(agent);
    else store.agents.touch(agentId, new Date());
    try {
      return await queues.add(agentId, async () => {
        beforeWaking?.();
        return agents.withAgent(agentId, async (link) => {
          if (writes) {
            await agents.disk.measureOnce(agentId);
            agents.disk.assertRoom(agentId);
          }
          return use(link);
        });
      });
    } finally {
      agents.disk.turnEnded(agentId);
    }
  }
}
