import type { SnapshotRecord } from './snapshot.ts';

/** What is known of the snapshots of agents, which outlive them. */
export interface SnapshotStore {
  get(snapshotId: string): SnapshotRecord | undefined;
  /** Of an agent, or of all, the newest first. */
  list(agentId?: string): SnapshotRecord[];
  add(snapshot: SnapshotRecord): void;
  remove(snapshotId: string): void;
}
