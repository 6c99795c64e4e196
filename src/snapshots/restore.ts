import type { AgentRecord } from '../agents/agent.ts';
import type { AgentId } from '../identity/agent-id.ts';

/** What a restore sets in the agent's row. */
export type RestoredState = Pick<AgentRecord, 'forkOf' | 'toldInstructions' | 'settings'> & {
  source: string;
};

/** A restore that has not ended. */
export type RestoreRecord = {
  agentId: AgentId;
  /** Written to the agent's home once its files are in their final directory. */
  restoreId: string;
  /** Whether the restore created the agent. Such an agent is removed if the restore fails. */
  isNewAgent: boolean;
  /** Known once the whole archive has arrived, before any file is moved. */
  target?: RestoredState;
};
