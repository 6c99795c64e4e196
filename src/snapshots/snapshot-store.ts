import type { SnapshotRecord } from './snapshot.ts';

/** Records of snapshots, which outlive their agents. */
export interface SnapshotStore {
  get(snapshotId: string): SnapshotRecord | undefined;
  /** The newest first. */
  list(agentId?: string): SnapshotRecord[];
  add(snapshot: SnapshotRecord): void;
  remove(snapshotId: string): void;
}
