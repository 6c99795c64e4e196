import PQueue from 'p-queue';
import type { Logger } from 'pino';
import type { AgentId } from '../../identity/agent-id.ts';
import type { AgentRecord } from '../agent.ts';
import type { TransitionReason } from '../agent-events.ts';
import type { AgentManager } from '../agent-manager.ts';
import type { AgentStore } from '../agent-store.ts';
import type { AgentLife, AgentTransition } from './agent-life.ts';

/** Leaves capacity of the engine to calls. */
const CONCURRENCY = 8;

type SweepOptions = {
  agents: AgentManager;
  store: { readonly agents: AgentStore };
  /** Default: all. */
  records?: readonly AgentRecord[];
  reason: TransitionReason;
  log: Logger;
};

export type Decision = (life: AgentLife, agentId: AgentId) => AgentTransition | 'none';

export type SweepResult = {
  agentId: AgentId;
  /** Before the transition. */
  life: AgentLife;
  transition: AgentTransition;
  /** `in_use`: a call arrived first. */
  outcome: 'taken' | 'in_use' | 'failed';
};

/** Applies the decided transition to every agent; returns the agents with one. */
export async function sweep(options: SweepOptions, decide: Decision): Promise<SweepResult[]> {
  const queue = new PQueue({ concurrency: CONCURRENCY });
  const records = options.records ?? options.store.agents.list();
  const ids = records.map(({ agentId }) => agentId);
  const swept = await queue.addAll(ids.map((agentId) => () => sweepOne(options, agentId, decide)));
  return swept.filter((one) => one !== undefined);
}

/** Decides directly before the transition, since transitions of other agents take time. */
async function sweepOne(
  { agents, store, reason, log }: SweepOptions,
  agentId: AgentId,
  decide: Decision,
): Promise<SweepResult | undefined> {
  const record = withPastUse(store.agents, store.agents.get(agentId));
  const life = record && agents.lifeOf(record);
  const transition = life ? decide(life, agentId) : 'none';
  if (!life || transition === 'none') return undefined;
  try {
    const taken = await agents.transition(transition, agentId, reason);
    return { agentId, life, transition, outcome: taken ? 'taken' : 'in_use' };
  } catch (error) {
    log.error({ err: error, agentId, transition }, 'A transition of an agent failed');
    return { agentId, life, transition, outcome: 'failed' };
  }
}

/** Corrects a last use in the future, after the clock was set back. */
function withPastUse(agents: AgentStore, record: AgentRecord | undefined): AgentRecord | undefined {
  const now = new Date();
  if (!record || record.lastUsedAt <= now) return record;
  agents.touch(record.agentId, now);
  return { ...record, lastUsedAt: now };
}
