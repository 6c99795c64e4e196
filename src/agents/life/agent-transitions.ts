import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import { toAppError } from '../../errors.ts';
import type { ModelGateway } from '../../gateway/model-gateway.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { newAgent } from '../agent.ts';
import type { AgentEvents, TransitionReason } from '../agent-events.ts';
import type { AgentStore } from '../agent-store.ts';
import { dateOfMonotonic } from '../monotonic-clock.ts';
import type { RunningAgent, RunningAgents } from '../running-agents.ts';
import type { AgentTransition } from './agent-life.ts';

type AgentTransitionsOptions = {
  runtime: ContainerRuntime;
  gateway: ModelGateway;
  agents: AgentStore;
  runningAgents: RunningAgents;
  /** Whether calls are queued. */
  isAwaited: (agentId: AgentId) => boolean;
  events: AgentEvents;
  config: Pick<Config, 'CONTAINER_STOP_TIMEOUT'>;
  log: Logger;
};

/** Pauses, stops, archives and removes agents that are not in use. */
export class AgentTransitions {
  readonly #options: AgentTransitionsOptions;

  constructor(options: AgentTransitionsOptions) {
    this.#options = options;
  }

  /** Returns false, without a transition, if the agent is in use or locked. */
  async apply(
    transition: AgentTransition,
    agentId: AgentId,
    reason: TransitionReason,
  ): Promise<boolean> {
    return this.#options.runningAgents.runExclusive(agentId, () =>
      this.#applyAndEmit(transition, agentId, reason),
    );
  }

  async #applyAndEmit(
    transition: AgentTransition,
    agentId: AgentId,
    reason: TransitionReason,
  ): Promise<void> {
    const { events, log } = this.#options;
    // The expiry warner announces transitions of idle agents earlier.
    if (transition !== 'pause' && reason !== 'idle') {
      events.emit({ type: 'agent_expiring', agentId, transition, inSeconds: 0, reason });
    }
    try {
      await this.#perform(transition, agentId);
    } catch (error) {
      events.emit({ type: 'agent_failed', agentId, code: toAppError(error).code });
      throw error;
    }
    log.info({ agentId, transition, reason }, 'Applied a transition to an agent');
    events.emit({ type: 'agent_taken', agentId, transition, reason });
  }

  #perform(transition: AgentTransition, agentId: AgentId): Promise<void> {
    switch (transition) {
      case 'pause':
        return this.#pause(agentId);
      case 'stop':
        return this.#stop(agentId);
      case 'archive':
        return this.#archive(agentId);
      case 'remove':
        return this.#remove(agentId);
      default:
        return transition satisfies never;
    }
  }

  async #pause(agentId: AgentId): Promise<void> {
    const { runningAgents, runtime } = this.#options;
    const running = runningAgents.get(agentId);
    if (!running) return;
    // Set first: a failed pause may have frozen the container, and resuming a running one is harmless.
    running.paused = true;
    this.#saveLastUse(running);
    await runtime.pause(agentId);
  }

  async #stop(agentId: AgentId): Promise<void> {
    const { runningAgents, runtime, gateway, config } = this.#options;
    const running = runningAgents.get(agentId);
    if (running) this.#saveLastUse(running);
    const link = await running?.link?.catch(() => undefined);
    await link?.close();
    await runtime.stop(agentId, { graceSeconds: config.CONTAINER_STOP_TIMEOUT });
    gateway.revoke(agentId);
    if (running) runningAgents.remove(running);
  }

  async #archive(agentId: AgentId): Promise<void> {
    const { runtime, agents } = this.#options;
    await this.#stop(agentId);
    await runtime.remove(agentId, { volumes: false });
    agents.setArchived(agentId, true);
  }

  // The row is removed last, so that the next round can complete a removal after a crash.
  async #remove(agentId: AgentId): Promise<void> {
    const { runtime, agents, isAwaited } = this.#options;
    await this.#stop(agentId);
    await runtime.remove(agentId, { volumes: true });
    // The turn of a call that arrived meanwhile depends on the row.
    if (isAwaited(agentId)) agents.put(newAgent(agentId, agents.get(agentId)));
    else agents.remove(agentId);
  }

  /** The time of last use is in memory while the agent runs. */
  #saveLastUse({ agentId, idleSince }: RunningAgent): void {
    this.#options.agents.touch(agentId, dateOfMonotonic(idleSince));
  }
}
