import type { Ownership } from '../agents/agent.ts';

/** An agent's files and conversation in one file of the server: the `snapshot` of clients. It outlives its agent. */
export type SnapshotRecord = Ownership & {
  /** A UUID; the file is named after it. */
  snapshotId: string;
  agentId: string;
  /** What its maker wrote on it. */
  label?: string;
  /** Size of the file, as packed. */
  bytes: number;
  /** Of the file, in hex. */
  sha256: string;
  createdAt: Date;
};

export type RetentionLimits = { keep: number; retentionSeconds: number };

/**
 * Which snapshots are too many or too old: of each agent `keep` stay, the newest ones; none is kept
 * longer than the retention, unless that is 0. Takes them the newest first.
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
