import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import { toAppError } from '../../errors.ts';
import type { ModelGateway } from '../../gateway/model-gateway.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { newAgent } from '../agent.ts';
import type { AgentEvents, TakeReason } from '../agent-events.ts';
import type { AgentStore } from '../agent-store.ts';
import { dateOfSteady } from '../monotonic-clock.ts';
import type { AgentPlace, AgentPlaces } from '../running-agents.ts';
import type { AgentStep } from './agent-life.ts';

type AgentStepsOptions = {
  runtime: ContainerRuntime;
  gateway: ModelGateway;
  agents: AgentStore;
  places: AgentPlaces;
  /** Whether calls wait for an agent. */
  isAwaited: (agentId: string) => boolean;
  events: AgentEvents;
  config: Pick<Config, 'CONTAINER_STOP_TIMEOUT'>;
  log: Logger;
};

/** Takes agents that nobody uses down from idle, whichever of the steps lies between. */
export class AgentSteps {
  readonly #options: AgentStepsOptions;

  constructor(options: AgentStepsOptions) {
    this.#options = options;
  }

  /** Answers false, and does nothing, if the agent is used or being changed. */
  async take(step: AgentStep, agentId: string, reason: TakeReason): Promise<boolean> {
    return this.#options.places.change(agentId, () => this.#tell(step, agentId, reason));
  }

  async #tell(step: AgentStep, agentId: string, reason: TakeReason): Promise<void> {
    const { events, log } = this.#options;
    // Idle agents were warned of it in good time.
    if (step !== 'pause' && reason !== 'idle') {
      events.emit({ type: 'agent_expiring', agentId, step, inSeconds: 0, reason });
    }
    try {
      await this.#do(step, agentId);
    } catch (error) {
      events.emit({ type: 'agent_failed', agentId, code: toAppError(error).code });
      throw error;
    }
    log.info({ agentId, step, reason }, 'Took an idle agent down');
    events.emit({ type: 'agent_taken', agentId, step, reason });
  }

  #do(step: AgentStep, agentId: string): Promise<void> {
    switch (step) {
      case 'pause':
        return this.#pause(agentId);
      case 'stop':
        return this.#stop(agentId);
      case 'archive':
        return this.#archive(agentId);
      case 'remove':
        return this.#remove(agentId);
      default:
        return step satisfies never;
    }
  }

  async #pause(agentId: string): Promise<void> {
    const { places, runtime } = this.#options;
    const place = places.get(agentId);
    if (!place) return;
    // Said first: a pause that fails may still have frozen it, and who wakes what runs does no harm.
    place.paused = true;
    this.#keepTime(place);
    await runtime.pause(agentId);
  }

  async #stop(agentId: string): Promise<void> {
    const { places, runtime, gateway, config } = this.#options;
    const place = places.get(agentId);
    if (place) this.#keepTime(place);
    const link = await place?.link?.catch(() => undefined);
    await link?.close();
    await runtime.stop(agentId, { graceSeconds: config.CONTAINER_STOP_TIMEOUT });
    gateway.revoke(agentId);
    if (place) places.free(place);
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
  #keepTime({ agentId, idleSince }: AgentPlace): void {
    this.#options.agents.touch(agentId, dateOfSteady(idleSince));
  }
}
