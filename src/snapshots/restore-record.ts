import type { AgentRecord } from '../agents/agent.ts';

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
