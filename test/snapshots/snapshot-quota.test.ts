import { expect, test } from 'vitest';
import type { SnapshotRecord } from '../../src/snapshots/snapshot.ts';
import { assertQuota } from '../../src/snapshots/snapshot-quota.ts';

function snapshot(
  snapshotId: string,
  agentId: string,
  owner: string,
  bytes: number,
): SnapshotRecord {
  const whose = { agentId, name: agentId, owner, tenant: 'default' };
  return { snapshotId, ...whose, bytes, sha256: '', createdAt: new Date() };
}

/** The newest first. */
const ALL = [
  snapshot('a2', 'a', 'ann', 30),
  snapshot('x1', 'x', 'bob', 900),
  snapshot('b1', 'b', 'ann', 20),
  snapshot('a1', 'a', 'ann', 40),
];

test.each([
  ['all but those of others count', 'a', 10, { keep: 9, limitBytes: 100 }],
  ['what makes room does not', 'a', 50, { keep: 2, limitBytes: 100 }],
  ['an agent without one displaces none', 'c', 10, { keep: 1, limitBytes: 100 }],
  ['0 is no limit', 'a', 1e15, { keep: 9, limitBytes: 0 }],
])('%s', (_what, agentId, bytes, quota) => {
  const agent = { agentId, owner: 'ann' };
  expect(() => assertQuota(ALL, agent, bytes, quota)).not.toThrow();
  if (quota.limitBytes === 0) return;
  const more = () => assertQuota(ALL, agent, bytes + 1, quota);
  const oldest = quota.keep === 2 ? 'b1' : 'a1';
  expect(more).toThrow(
    expect.objectContaining({
      code: 'quota_exceeded',
      message: expect.stringMatching(new RegExp(`limit of 100 bytes .*the oldest: ${oldest}, `)),
    }),
  );
});
