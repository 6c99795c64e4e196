import type { AgentRecord } from '../agents/agent.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import type { RestoreStore } from './snapshot-store.ts';

/** What an agent becomes by a backup, beside its files. */
export type Becoming = Pick<AgentRecord, 'forkOf' | 'toldInstructions' | 'settings'> & {
  source: string;
};

/** A restore that has not come to its end. */
export type RestoreRecord = {
  agentId: string;
  /** What is noted in the agent's home once its files are in their place. */
  restoreId: string;
  /** Whether the agent was begun for it: it is nobody before the end. */
  begins: boolean;
  /** Known when all has arrived, before any file is moved. */
  becomes?: Becoming;
};

/** Makes an agent whose files are in their place what else it is to be, and ends the restore. */
export function complete(
  store: { agents: AgentStore; restores: RestoreStore; transaction<T>(work: () => T): T },
  { agentId, becomes }: RestoreRecord,
): void {
  store.transaction(() => {
    const record = store.agents.get(agentId);
    if (record && becomes) {
      const { threadId: _own, forkOf: _earlier, ...rest } = record;
      const { forkOf, settings, source, toldInstructions } = becomes;
      store.agents.put({ ...rest, ...(forkOf !== undefined && { forkOf }) });
      store.agents.setSettings(agentId, settings);
      store.agents.setSource(agentId, source);
      store.agents.setTold(agentId, toldInstructions);
    }
    store.restores.remove(agentId);
  });
}
