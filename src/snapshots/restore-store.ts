import type { RestoreRecord } from './restore.ts';

/** Restores that have not come to their end, one of an agent at most. */
export interface RestoreStore {
  /** Inserts or replaces. */
  put(restore: RestoreRecord): void;
  list(): RestoreRecord[];
  remove(agentId: string): void;
}
