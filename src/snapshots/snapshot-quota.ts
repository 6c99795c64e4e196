import type { AgentRecord } from '../agents/agent.ts';
import { AppError } from '../errors.ts';
import type { SnapshotRecord } from './snapshot.ts';

type Quota = {
  /** Snapshots of one agent that stay: a new one replaces the oldest. */
  keep: number;
  /** Packed size of all snapshots of one owner; 0: no limit. */
  limitBytes: number;
};

/** Throws `quota_exceeded` if a further snapshot exceeds the limit of its owner. Takes all snapshots, the newest first. */
export function assertQuota(
  snapshots: readonly SnapshotRecord[],
  { agentId, owner }: Pick<AgentRecord, 'agentId' | 'owner'>,
  bytes: number,
  { keep, limitBytes }: Quota,
): void {
  if (limitBytes === 0) return;
  let sameAgent = 0;
  const staying = snapshots.filter((snapshot) => {
    if (snapshot.agentId === agentId) sameAgent += 1;
    return snapshot.owner === owner && (snapshot.agentId !== agentId || sameAgent < keep);
  });
  const taken = staying.reduce((sum, snapshot) => sum + snapshot.bytes, 0);
  if (taken + bytes <= limitBytes) return;
  const oldest = staying.at(-1);
  const advice = oldest
    ? `Delete some with delete_snapshot, such as the oldest: ${oldest.snapshotId}, of agent ${oldest.name}, with ${oldest.bytes} bytes.`
    : 'This snapshot alone exceeds the limit.';
  throw new AppError(
    'quota_exceeded',
    `The caller has reached its limit of ${limitBytes} bytes of snapshots (SNAPSHOT_BYTES_PER_PRINCIPAL): those that stay have ${taken}. ${advice}`,
    { data: { limit: limitBytes, bytes: taken, ...(oldest && { oldest: oldest.snapshotId }) } },
  );
}
