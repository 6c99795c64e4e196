import type { RestoreRecord } from './restore-record.ts';
import type { BackupRecord } from './snapshot.ts';

/** What is known of the backups of agents, which outlive them. */
export interface BackupStore {
  get(backupId: string): BackupRecord | undefined;
  /** Of an agent, or of all, the newest first. */
  list(agentId?: string): BackupRecord[];
  add(backup: BackupRecord): void;
  remove(backupId: string): void;
}

/** Restores that have not come to their end, one of an agent at most. */
export interface RestoreStore {
  /** Inserts or replaces. */
  put(restore: RestoreRecord): void;
  list(): RestoreRecord[];
  remove(agentId: string): void;
}
