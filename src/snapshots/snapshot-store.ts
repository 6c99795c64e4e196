import type { AgentId } from '../identity/agent-id.ts';
import type { SnapshotRecord } from './snapshot.ts';

/** Records of snapshots, which outlive their agents. */
export interface SnapshotStore {
  get(snapshotId: string): SnapshotRecord | undefined;
  /** The newest first. */
  list(agentId?: AgentId): SnapshotRecord[];
  add(snapshot: SnapshotRecord): void;
  remove(snapshotId: string): void;
}
