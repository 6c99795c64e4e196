import type { AgentStore } from '../agents/agent-store.ts';
import type { RestoreRecord } from './restore-record.ts';
import type { RestoreStore } from './snapshot-store.ts';

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
      store.agents.setToldInstructions(agentId, toldInstructions);
    }
    store.restores.remove(agentId);
  });
}
