import type { Logger } from 'pino';
import type { AgentRecord, AgentStatus } from '../agents/agent.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import {
  type AgentTransition,
  canTransition,
  dueTransition,
  idleSecondsOf,
  type LifeSettings,
} from '../agents/life/agent-life.ts';
import { type Decision, type SweepResult, sweep } from '../agents/life/sweep.ts';
import { AppError } from '../errors.ts';
import type { AgentName } from '../identity/agent-id.ts';
import { CallerView } from './caller-view.ts';

export type LifecycleServices = {
  store: { agents: AgentStore };
  agents: AgentManager;
  config: LifeSettings;
};

/** Which agents a clean-up takes down, and how far. */
export type CleanUp = {
  /** Default: all of the caller. */
  agent: AgentName | undefined;
  olderThanSeconds: number | undefined;
  /** Whether agents are removed with their files instead of stopped. */
  remove: boolean;
  dryRun: boolean;
};

/** What a clean-up did with one agent. */
export type CleanedAgent = {
  name: AgentName;
  /** Before the step. */
  status: AgentStatus;
  idleSeconds: number;
  step: AgentTransition;
  /** `in_use`: a call came first. `planned`: of a dry run. */
  outcome: SweepResult['outcome'] | 'planned';
};

type Planned = Omit<SweepResult, 'outcome'> & Pick<CleanedAgent, 'outcome'>;

/** How long the agents of one caller stay awake and exist. Others' are `agent_not_found`. */
export class CallerLifecycle extends CallerView<LifecycleServices> {
  /** Wakes the agent if it is paused. Returns its name. Throws `agent_not_found` or `forbidden`. */
  async pin(name: AgentName): Promise<AgentName> {
    const { store, agents } = this.services;
    const { agentId } = this.recordOf(name, 'work');
    store.agents.setPinned(agentId, true);
    if (agents.statusOf(agentId) === 'paused') await agents.withAgent(agentId, async () => {});
    return this.nameOf(agentId);
  }

  /** Returns the name of the agent. Throws `agent_not_found` or `forbidden`. */
  unpin(name: AgentName): AgentName {
    const { agentId } = this.recordOf(name, 'work');
    this.services.store.agents.setPinned(agentId, false);
    return this.nameOf(agentId);
  }

  /**
   * Stops or removes idle agents. Throws `agent_not_found` or `forbidden`, and `invalid_input` for a
   * removal that names neither an agent nor an age.
   */
  async cleanUp(given: CleanUp, log: Logger): Promise<CleanedAgent[]> {
    this.demand('work');
    const { agent, olderThanSeconds = 0, remove, dryRun } = given;
    if (remove && agent === undefined && given.olderThanSeconds === undefined) {
      throw new AppError(
        'invalid_input',
        'remove requires agent_id or older_than_seconds, because it deletes files.',
      );
    }
    const step = remove ? 'remove' : 'stop';
    const decide: Decision = (life) =>
      canTransition(step, life) && idleSecondsOf(life, new Date()) >= olderThanSeconds
        ? step
        : 'none';
    const records =
      agent === undefined
        ? this.services.ownerships.list(this.principal)
        : [this.recordOf(agent, 'work')];
    return this.#shown(
      dryRun ? this.#plan(records, decide) : await this.#sweep(records, decide, log),
    );
  }

  /** Takes the steps that are due, as the reaper does; with `force` stops all idle agents too. Throws `forbidden`. */
  async sweep(force: boolean, log: Logger): Promise<CleanedAgent[]> {
    this.demand('work');
    const decide: Decision = (life) => {
      const due = dueTransition(life, new Date(), this.services.config);
      if (!force || due === 'archive' || due === 'remove') return due;
      return canTransition('stop', life) ? 'stop' : 'none';
    };
    return this.#shown(
      await this.#sweep(this.services.ownerships.list(this.principal), decide, log),
    );
  }

  #sweep(records: readonly AgentRecord[], decide: Decision, log: Logger): Promise<SweepResult[]> {
    return sweep({ ...this.services, records, reason: 'cleanup', log }, decide);
  }

  #plan(records: readonly AgentRecord[], decide: Decision): Planned[] {
    return records.flatMap((record) => {
      const { agentId } = record;
      const life = this.services.agents.lifeOf(record);
      const transition = decide(life, agentId);
      return transition === 'none' ? [] : [{ agentId, life, transition, outcome: 'planned' }];
    });
  }

  #shown(found: readonly Planned[]): CleanedAgent[] {
    return found.map(({ agentId, life, transition, outcome }) => ({
      name: this.nameOf(agentId),
      status: life.status,
      idleSeconds: Math.round(idleSecondsOf(life, new Date())),
      ...{ step: transition, outcome },
    }));
  }
}
