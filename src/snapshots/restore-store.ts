import type { AgentId } from '../identity/agent-id.ts';
import type { RestoreRecord } from './restore.ts';

/** Restores that have not ended, at most one of each agent. */
export interface RestoreStore {
  /** Inserts or replaces. */
  put(restore: RestoreRecord): void;
  list(): RestoreRecord[];
  remove(agentId: AgentId): void;
}
