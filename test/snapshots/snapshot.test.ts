import { expect, test } from 'vitest';
import { type SnapshotRecord, snapshotsToPrune } from '../../src/snapshots/snapshot.ts';

const NOW = new Date('2026-05-01T00:00:00Z');

function snapshot(snapshotId: string, agentId: string, ageSeconds: number): SnapshotRecord {
  const createdAt = new Date(NOW.getTime() - ageSeconds * 1000);
  const whose = { agentId, name: agentId, owner: 'local', tenant: 'default' };
  return { snapshotId, ...whose, bytes: 1, sha256: '', createdAt };
}

const ALL = [
  snapshot('a3', 'a', 1),
  snapshot('b1', 'b', 2),
  snapshot('a2', 'a', 50),
  snapshot('a1', 'a', 90),
];

test.each([
  [{ keep: 2, retentionSeconds: 0 }, ['a1']],
  [{ keep: 1, retentionSeconds: 0 }, ['a2', 'a1']],
  [{ keep: 9, retentionSeconds: 0 }, []],
  [{ keep: 9, retentionSeconds: 60 }, ['a1']],
  [{ keep: 2, retentionSeconds: 10 }, ['a2', 'a1']],
])('%j: too many or too old are %j', (limits, ids) => {
  expect(snapshotsToPrune(ALL, limits, NOW).map(({ snapshotId }) => snapshotId)).toEqual(ids);
});
