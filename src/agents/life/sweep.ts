import PQueue from 'p-queue';
import type { Logger } from 'pino';
import type { AgentRecord } from '../agent.ts';
import type { TransitionReason } from '../agent-events.ts';
import type { AgentManager } from '../agent-manager.ts';
import type { AgentStore } from '../agent-store.ts';
import type { AgentLife, AgentTransition } from './agent-life.ts';

/** Stopping takes its time, and an engine has more to do than that. */
const AT_ONCE = 8;

type SweepOptions = {
  agents: AgentManager;
  store: { readonly agents: AgentStore };
  /** Default: all. */
  records?: readonly AgentRecord[];
  reason: TransitionReason;
  log: Logger;
};

export type Decision = (life: AgentLife, agentId: string) => AgentTransition | 'none';

export type Swept = {
  agentId: string;
  /** How it was before. */
  life: AgentLife;
  transition: AgentTransition;
  /** `in_use`: a call came first. */
  outcome: 'taken' | 'in_use' | 'failed';
};

/** Takes every agent the step that is decided for it; answers for which there was one. */
export async function sweep(options: SweepOptions, decide: Decision): Promise<Swept[]> {
  const queue = new PQueue({ concurrency: AT_ONCE });
  const records = options.records ?? options.store.agents.list();
  const ids = records.map(({ agentId }) => agentId);
  const swept = await queue.addAll(ids.map((agentId) => () => sweepOne(options, agentId, decide)));
  return swept.filter((one) => one !== undefined);
}

/** The decision is of the moment when it is acted on: others may have been stopped for long before. */
async function sweepOne(
  { agents, store, reason, log }: SweepOptions,
  agentId: string,
  decide: Decision,
): Promise<Swept | undefined> {
  const record = notOfTheFuture(store.agents, store.agents.get(agentId));
  const life = record && agents.lifeOf(record);
  const transition = life ? decide(life, agentId) : 'none';
  if (!life || transition === 'none') return undefined;
  try {
    const taken = await agents.transition(transition, agentId, reason);
    return { agentId, life, transition, outcome: taken ? 'taken' : 'in_use' };
  } catch (error) {
    log.error({ err: error, agentId, transition }, 'An idle agent could not be taken down');
    return { agentId, life, transition, outcome: 'failed' };
  }
}

/** By a clock that was set back, an agent would be idle only when the same time comes again. */
function notOfTheFuture(
  agents: AgentStore,
  record: AgentRecord | undefined,
): AgentRecord | undefined {
  const now = new Date();
  if (!record || record.lastUsedAt <= now) return record;
  agents.touch(record.agentId, now);
  return { ...record, lastUsedAt: now };
}
