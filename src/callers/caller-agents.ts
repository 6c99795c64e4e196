import type { AgentRecord, AgentStatus } from '../agents/agent.ts';
import type { AgentEvent } from '../agents/agent-events.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import { type DiskUsage, measureDisk } from '../agents/disk-usage.ts';
import {
  type AgentTransition,
  idleSecondsOf,
  type LifeSettings,
  secondsUntil,
} from '../agents/life/agent-life.ts';
import type { Config } from '../config/config.ts';
import type { AgentName, Named } from '../identity/agent-id.ts';
import type { ContainerRuntime, ContainerStats } from '../runtime/container-runtime.ts';
import type { TurnService } from '../turns/turn-service.ts';
import { CallerView } from './caller-view.ts';
import { type EffectiveSettings, effectiveSettings } from './effective-settings.ts';

export type AgentServices = {
  store: { agents: AgentStore };
  agents: AgentManager;
  turns: Pick<TurnService, 'load'>;
  runtime: ContainerRuntime;
  config: LifeSettings & Pick<Config, 'CODEX_MODEL' | 'CODEX_REASONING'>;
};

/** What happens to an agent that the caller sees. */
export type AgentNotice = Named<AgentEvent>;

/** An agent as its caller sees it. */
export type AgentView = {
  name: AgentName;
  /** The conversation; absent before the first turn. */
  threadId: string | undefined;
  status: AgentStatus;
  pinned: boolean;
  /** Absent while the agent is busy. */
  idleSeconds: number | undefined;
  /** How long until each step if nobody calls. Absent: never, or the step is past. */
  secondsUntil: Partial<Record<AgentTransition, number>>;
  /** Calls that run or wait. */
  openCalls: number;
  createdAt: Date;
  lastUsedAt: Date;
};

/** What an agent uses. What cannot be measured now is absent. */
export type AgentUsage = Partial<ContainerStats & DiskUsage> & {
  diskLimitBytes: number | undefined;
};

/** The agents of one caller. The agents of others are `agent_not_found`. */
export class CallerAgents extends CallerView<AgentServices> {
  /** The last used first, at most `limit`; `total` counts all. Throws `forbidden`. */
  list(limit?: number): { agents: AgentView[]; total: number } {
    this.demand('read');
    const records = this.services.ownerships.list(this.principal);
    const agents = records.slice(0, limit).map((record) => this.#view(record));
    return { agents, total: records.length };
  }

  /** Throws `agent_not_found` or `forbidden`. */
  get(name: AgentName): AgentView {
    return this.#view(this.recordOf(name, 'read'));
  }

  /** Undefined for an agent that does not exist yet. Throws like `get` where the name is not allowed. */
  find(name: AgentName): AgentView | undefined {
    const record = this.recordIfAny(name);
    return record && this.#view(record);
  }

  /** Measures without waking the agent. Throws like `get`. */
  async usage(name: AgentName): Promise<AgentUsage> {
    const { runtime, agents } = this.services;
    const { agentId } = this.recordOf(name, 'read');
    // An engine that does not answer leaves the numbers out.
    const container = await runtime.inspect(agentId).catch(() => undefined);
    const [stats, disk] = await Promise.all([
      runtime.stats(agentId).catch(() => undefined),
      container?.state === 'running' ? measureDisk(runtime, agentId) : undefined,
    ]);
    if (disk) agents.disk.record(agentId, disk);
    return { ...stats, ...disk, diskLimitBytes: agents.disk.limitBytes };
  }

  /** What the agent goes by. Throws like `get`. */
  settings(name: AgentName): Promise<EffectiveSettings> {
    return effectiveSettings(this.services, this.recordOf(name, 'read'));
  }

  /** The container of each agent, by its name; none while the engine does not answer. */
  async containerIds(
    names: readonly AgentName[],
  ): Promise<ReadonlyMap<AgentName, string | undefined>> {
    const agentIds = names.map((name) => this.recordOf(name, 'read').agentId);
    const containers = await this.services.runtime.list().catch(() => []);
    const ids = new Map(containers.map(({ agentId, id }) => [agentId, id]));
    return new Map(names.map((name, index) => [name, ids.get(agentIds[index] ?? '')]));
  }

  /** Calls the listener for each event of an agent that the caller sees; returns how to stop that. */
  listen(listener: (event: AgentNotice) => void): () => void {
    this.demand('read');
    const { agents, ownerships } = this.services;
    return agents.events.listen((event) => {
      const asApprover = event.type === 'egress_denied';
      if (!ownerships.seesId(this.principal, event.agentId, { asApprover })) return;
      listener(this.named(event));
    });
  }

  #view(record: AgentRecord): AgentView {
    const { agents, turns, config } = this.services;
    const { agentId, threadId, pinned, createdAt, lastUsedAt } = record;
    const life = agents.lifeOf(record);
    const now = new Date();
    return {
      name: this.nameOf(agentId),
      ...{ threadId, status: life.status, pinned, createdAt, lastUsedAt },
      idleSeconds: life.status === 'busy' ? undefined : Math.round(idleSecondsOf(life, now)),
      secondsUntil: secondsUntil(life, now, config),
      openCalls: turns.load(agentId),
    };
  }
}
