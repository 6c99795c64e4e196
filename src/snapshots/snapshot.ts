import type { Ownership } from '../agents/agent.ts';
import type { AgentId } from '../identity/agent-id.ts';

/** The files and the conversation of an agent in one file. It outlives its agent. */
export type SnapshotRecord = Ownership & {
  /** A UUID, which names the file. */
  snapshotId: string;
  agentId: AgentId;
  label?: string;
  /** Size of the packed file. */
  bytes: number;
  /** Of the file, in hex. */
  sha256: string;
  createdAt: Date;
};

export type RetentionLimits = { keep: number; retentionSeconds: number };

/**
 * Snapshots beyond the newest `keep` of an agent, and those older than the retention, unless that is 0.
 * Takes all snapshots, the newest first.
 */
export function snapshotsToPrune(
  snapshots: readonly SnapshotRecord[],
  { keep, retentionSeconds }: RetentionLimits,
  now: Date,
): SnapshotRecord[] {
  const oldest = retentionSeconds === 0 ? 0 : now.getTime() - retentionSeconds * 1000;
  const counts = new Map<string, number>();
  return snapshots.filter(({ agentId, createdAt }) => {
    const count = (counts.get(agentId) ?? 0) + 1;
    counts.set(agentId, count);
    return count > keep || createdAt.getTime() < oldest;
  });
}
