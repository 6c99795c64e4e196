import type { AgentStore } from '../agents/agent-store.ts';
import type { RestoreRecord } from './restore.ts';
import type { RestoreStore } from './restore-store.ts';

/** Sets the row of an agent whose files are restored, and ends the restore. */
export function completeRestore(
  store: { agents: AgentStore; restores: RestoreStore; transaction<T>(work: () => T): T },
  { agentId, target }: RestoreRecord,
): void {
  store.transaction(() => {
    const record = store.agents.get(agentId);
    if (record && target) {
      const { threadId: _own, forkOf: _earlier, ...rest } = record;
      const { forkOf, settings, source, toldInstructions } = target;
      store.agents.put({ ...rest, ...(forkOf !== undefined && { forkOf }) });
      store.agents.setSettings(agentId, settings);
      store.agents.setSource(agentId, source);
      store.agents.setToldInstructions(agentId, toldInstructions);
    }
    store.restores.remove(agentId);
  });
}
