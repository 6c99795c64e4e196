import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import { toAppError } from '../../errors.ts';
import type { ModelGateway } from '../../gateway/model-gateway.ts';
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
  /** Whether calls wait for an agent. */
  isAwaited: (agentId: string) => boolean;
  events: AgentEvents;
  config: Pick<Config, 'CONTAINER_STOP_TIMEOUT'>;
  log: Logger;
};

/** Takes agents that nobody uses down from idle, whichever of the steps lies between. */
export class AgentTransitions {
  readonly #options: AgentTransitionsOptions;

  constructor(options: AgentTransitionsOptions) {
    this.#options = options;
  }

  /** Answers false, and does nothing, if the agent is used or being changed. */
  async apply(
    transition: AgentTransition,
    agentId: string,
    reason: TransitionReason,
  ): Promise<boolean> {
    return this.#options.runningAgents.runExclusive(agentId, () =>
      this.#applyAndEmit(transition, agentId, reason),
    );
  }

  async #applyAndEmit(
    transition: AgentTransition,
    agentId: string,
    reason: TransitionReason,
  ): Promise<void> {
    const { events, log } = this.#options;
    // Idle agents were warned of it in good time.
    if (transition !== 'pause' && reason !== 'idle') {
      events.emit({ type: 'agent_expiring', agentId, transition, inSeconds: 0, reason });
    }
    try {
      await this.#perform(transition, agentId);
    } catch (error) {
      events.emit({ type: 'agent_failed', agentId, code: toAppError(error).code });
      throw error;
    }
    log.info({ agentId, transition, reason }, 'Took an idle agent down');
    events.emit({ type: 'agent_taken', agentId, transition, reason });
  }

  #perform(transition: AgentTransition, agentId: string): Promise<void> {
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

  async #pause(agentId: string): Promise<void> {
    const { runningAgents, runtime } = this.#options;
    const running = runningAgents.get(agentId);
    if (!running) return;
    // Said first: a pause that fails may still have frozen it, and who wakes what runs does no harm.
    running.paused = true;
    this.#keepTime(running);
    await runtime.pause(agentId);
  }

  async #stop(agentId: string): Promise<void> {
    const { runningAgents, runtime, gateway, config } = this.#options;
    const running = runningAgents.get(agentId);
    if (running) this.#keepTime(running);
    const link = await running?.link?.catch(() => undefined);
    await link?.close();
    await runtime.stop(agentId, { graceSeconds: config.CONTAINER_STOP_TIMEOUT });
    gateway.revoke(agentId);
    if (running) runningAgents.remove(running);
  }

  async #archive(agentId: string): Promise<void> {
    const { runtime, agents } = this.#options;
    await this.#stop(agentId);
    await runtime.remove(agentId, { volumes: false });
    agents.setArchived(agentId, true);
  }

  // The row goes last: until then, what a crash leaves behind is known, and the next round ends it.
  async #remove(agentId: string): Promise<void> {
    const { runtime, agents, isAwaited } = this.#options;
    await this.#stop(agentId);
    await runtime.remove(agentId, { volumes: true });
    // A call that came meanwhile has its turn in the row's care; it begins anew.
    if (isAwaited(agentId)) agents.put(newAgent(agentId, agents.get(agentId)));
    else agents.remove(agentId);
  }

  /** A place knows when its agent was last used; the next server, and a stopped agent, only the row. */
  #keepTime({ agentId, idleSince }: RunningAgent): void {
    this.#options.agents.touch(agentId, dateOfMonotonic(idleSince));
  }
}
