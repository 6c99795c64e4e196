import PQueue from 'p-queue';
import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { ModelGateway } from '../../gateway/model-gateway.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type {
  ContainerRuntime,
  ContainerState,
  ContainerSummary,
} from '../../runtime/container-runtime.ts';
import type { AgentEvents } from '../agent-events.ts';
import type { AgentStore } from '../agent-store.ts';
import type { RunningAgents } from '../running-agents.ts';

/** Leaves capacity of the engine to calls. */
const CONCURRENCY = 8;

type ReconcilerOptions = {
  runtime: ContainerRuntime;
  gateway: ModelGateway;
  agents: AgentStore;
  runningAgents: RunningAgents;
  events: AgentEvents;
  config: Pick<Config, 'ORPHAN_TIMEOUT'>;
  log: Logger;
};

/** Reconciles the store and the running agents with the containers and volumes of the engine. */
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
    await this.#forEach(odd, (agentId) => this.#reconcile(agentId));
    await this.#forEach(await this.#orphans(), (agentId) => this.#removeOrphan(agentId));
  }

  /** Skips locked agents and logs errors; the next round retries. */
  async #forEach(agentIds: AgentId[], task: (agentId: AgentId) => Promise<void>): Promise<void> {
    const { runningAgents, log } = this.#options;
    const queue = new PQueue({ concurrency: CONCURRENCY });
    const settled = [...new Set(agentIds)].map((agentId) =>
      queue.add(() =>
        runningAgents
          .runExclusive(agentId, () => task(agentId))
          .catch((error: unknown) =>
            log.error({ err: error, agentId }, 'An agent could not be reconciled'),
          ),
      ),
    );
    await Promise.all(settled);
  }

  /** Whether an agent differs from its container; others are not locked. */
  #differs(agentId: AgentId, state: ContainerState | undefined): boolean {
    const { runningAgents, agents } = this.#options;
    const running = runningAgents.get(agentId);
    if (state && !agents.get(agentId)) return true;
    if (!state || state === 'stopped') return running !== undefined;
    return running?.paused !== (state === 'paused');
  }

  /** Inspects again with the agent locked, since the list may be outdated. */
  async #reconcile(agentId: AgentId): Promise<void> {
    const { runtime, agents } = this.#options;
    const container = await runtime.inspect(agentId);
    if (container && !agents.get(agentId)) await this.#removeUnknown(container);
    else if (!container || container.state === 'stopped') await this.#handleLoss(agentId);
    else this.#adopt(container);
  }

  /** Unknown agents with volumes older than `ORPHAN_TIMEOUT`. */
  async #orphans(): Promise<AgentId[]> {
    const { runtime, agents, config } = this.#options;
    if (config.ORPHAN_TIMEOUT === 0) return [];
    const bound = Date.now() - config.ORPHAN_TIMEOUT * 1000;
    return (await runtime.listVolumes())
      .filter(({ agentId, createdAt }) => !agents.get(agentId) && createdAt.getTime() <= bound)
      .map(({ agentId }) => agentId);
  }

  async #removeOrphan(agentId: AgentId): Promise<void> {
    const { runtime, agents, log } = this.#options;
    if (agents.get(agentId)) return;
    log.warn({ agentId }, 'Removing the volumes of an unknown agent');
    await runtime.remove(agentId, { volumes: true });
  }

  /** Keeps the volumes for `ORPHAN_TIMEOUT`, except those of an incomplete copy. */
  async #removeUnknown({ agentId, isCopy = false }: ContainerSummary): Promise<void> {
    const { runtime, log } = this.#options;
    log.warn({ agentId, isCopy }, 'Removing the container of an unknown agent');
    await runtime.remove(agentId, { volumes: isCopy });
    await this.#handleLoss(agentId);
  }

  async #handleLoss(agentId: AgentId): Promise<void> {
    const { runningAgents, gateway, events, log } = this.#options;
    const running = runningAgents.get(agentId);
    if (!running) return;
    log.warn({ agentId }, 'A container was stopped from outside');
    const link = await running.link?.catch(() => undefined);
    await link?.close();
    gateway.revoke(agentId);
    runningAgents.remove(running);
    events.emit({ type: 'agent_failed', agentId, code: 'container_lost' });
  }

  #adopt({ agentId, state }: ContainerSummary): void {
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
