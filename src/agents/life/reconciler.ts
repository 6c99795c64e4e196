import PQueue from 'p-queue';
import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { ModelGateway } from '../../gateway/model-gateway.ts';
import type {
  ContainerRuntime,
  ContainerState,
  ContainerSummary,
} from '../../runtime/container-runtime.ts';
import type { AgentEvents } from '../agent-events.ts';
import type { AgentStore } from '../agent-store.ts';
import type { RunningAgents } from '../running-agents.ts';

/** An engine has more to do than that. */
const AT_ONCE = 8;

type ReconcilerOptions = {
  runtime: ContainerRuntime;
  gateway: ModelGateway;
  agents: AgentStore;
  runningAgents: RunningAgents;
  events: AgentEvents;
  config: Pick<Config, 'ORPHAN_TIMEOUT'>;
  log: Logger;
};

/** Brings what the server believes and what the engine has together, whoever changed it. */
export class Reconciler {
  readonly #options: ReconcilerOptions;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { runtime, runningAgents } = this.#options;
    const states = new Map((await runtime.list()).map(({ agentId, state }) => [agentId, state]));
    const ids = [...states.keys(), ...runningAgents.all().map(({ agentId }) => agentId)];
    const odd = ids.filter((agentId) => this.#differs(agentId, states.get(agentId)));
    await this.#each(odd, (agentId) => this.#settle(agentId));
    await this.#each(await this.#orphans(), (agentId) => this.#removeOrphan(agentId));
  }

  /** What cannot be settled now, or is being changed by somebody else, waits for the next round. */
  async #each(agentIds: string[], settle: (agentId: string) => Promise<void>): Promise<void> {
    const { runningAgents, log } = this.#options;
    const queue = new PQueue({ concurrency: AT_ONCE });
    const settled = [...new Set(agentIds)].map((agentId) =>
      queue.add(() =>
        runningAgents
          .runExclusive(agentId, () => settle(agentId))
          .catch((error: unknown) => log.error({ err: error, agentId }, 'An agent is not settled')),
      ),
    );
    await Promise.all(settled);
  }

  /** Whether the engine has another idea of an agent; no call has to wait for one that is as it should be. */
  #differs(agentId: string, state: ContainerState | undefined): boolean {
    const { runningAgents, agents } = this.#options;
    const running = runningAgents.get(agentId);
    if (state && !agents.get(agentId)) return true;
    if (!state || state === 'stopped') return running !== undefined;
    return running?.paused !== (state === 'paused');
  }

  /** Looks again, as nobody can use the agent meanwhile: the list may be of yesterday by now. */
  async #settle(agentId: string): Promise<void> {
    const { runtime, agents } = this.#options;
    const container = await runtime.inspect(agentId);
    if (container && !agents.get(agentId)) await this.#removeUnknown(container);
    else if (!container || container.state === 'stopped') await this.#handleLoss(agentId);
    else this.#takeOver(container);
  }

  /** Agents that the store forgot, or never knew, and that left volumes a good while ago. */
  async #orphans(): Promise<string[]> {
    const { runtime, agents, config } = this.#options;
    if (config.ORPHAN_TIMEOUT === 0) return [];
    const bound = Date.now() - config.ORPHAN_TIMEOUT * 1000;
    return (await runtime.listVolumes())
      .filter(({ agentId, createdAt }) => !agents.get(agentId) && createdAt.getTime() <= bound)
      .map(({ agentId }) => agentId);
  }

  async #removeOrphan(agentId: string): Promise<void> {
    const { runtime, agents, log } = this.#options;
    if (agents.get(agentId)) return;
    log.warn({ agentId }, 'Removing the volumes of an unknown agent');
    await runtime.remove(agentId, { volumes: true });
  }

  /** Files of an agent that was known may be of use yet. Half a copy is of none. */
  async #removeUnknown({ agentId, isCopy = false }: ContainerSummary): Promise<void> {
    const { runtime, log } = this.#options;
    log.warn({ agentId, isCopy }, 'Removing the container of an unknown agent');
    await runtime.remove(agentId, { volumes: isCopy });
    await this.#handleLoss(agentId);
  }

  async #handleLoss(agentId: string): Promise<void> {
    const { runningAgents, gateway, events, log } = this.#options;
    const running = runningAgents.get(agentId);
    if (!running) return;
    log.warn({ agentId }, 'An agent was stopped behind our back');
    const link = await running.link?.catch(() => undefined);
    await link?.close();
    gateway.revoke(agentId);
    runningAgents.remove(running);
    events.emit({ type: 'agent_failed', agentId, code: 'container_lost' });
  }

  #takeOver({ agentId, state }: ContainerSummary): void {
    const { runningAgents, gateway, agents } = this.#options;
    const agent = agents.get(agentId);
    if (!agent) return;
    const paused = state === 'paused';
    const running = runningAgents.get(agentId);
    if (running) {
      running.paused = paused;
      return;
    }
    gateway.register(agentId, agent.tokenSha256);
    runningAgents.adopt(agentId, { idleSince: agent.lastUsedAt, paused });
  }
}
