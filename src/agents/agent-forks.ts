import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { AgentRecord } from './agent.ts';
import { type AgentAdmissionOptions, admitAgent } from './agent-admission.ts';
import type { AgentManager } from './agent-manager.ts';
import type { AgentStore } from './agent-store.ts';

type AgentForksOptions = {
  agents: AgentManager;
  store: { agents: AgentStore };
  config: AgentAdmissionOptions['config'] & Pick<Config, 'FORK_TIMEOUT'>;
};

/**
 * Creates agents with copies of the files, thread and settings of other agents. Permissions such as allowed
 * hosts are not copied, so a fork never has more rights than its source.
 */
export class AgentForks {
  readonly #options: AgentForksOptions;

  constructor(options: AgentForksOptions) {
    this.#options = options;
  }

  /**
   * No turn of the source may run meanwhile. A source that does not run is not started. Throws
   * `agent_exists`, `too_many_agents`, `quota_exceeded`, `copy_failed` or `no_space`.
   */
  async fork(source: AgentRecord, fork: AgentRecord, signal: AbortSignal): Promise<AgentRecord> {
    const { agents, store, config } = this.#options;
    if (store.agents.get(fork.agentId)) {
      throw new AppError('agent_exists', `The agent "${fork.name}" exists already.`);
    }
    admitAgent(this.#options, fork);
    const { threadId: forkOf = source.forkOf, settings, toldInstructions } = source;
    const told = toldInstructions !== undefined && { toldInstructions };
    const filled = source.source !== undefined && { source: source.source };
    const limit = AbortSignal.timeout(config.FORK_TIMEOUT * 1000);
    try {
      const copy = {
        ...fork,
        settings,
        ...told,
        ...filled,
        ...(forkOf !== undefined && { forkOf }),
      };
      await agents.beginCopy(copy, source.agentId, AbortSignal.any([signal, limit]));
      return copy;
    } catch (cause) {
      if (!limit.aborted || signal.aborted) throw cause;
      const message = `The files were not copied within ${config.FORK_TIMEOUT} s (FORK_TIMEOUT).`;
      throw new AppError('copy_failed', message, { cause });
    }
  }
}
