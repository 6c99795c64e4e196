import { afterEach, expect, test, vi } from 'vitest';
import { type AuditEntry, NO_AUDIT } from '../../../src/audit/audit-log.ts';
import { EgressAudit } from '../../../src/server/audited/egress-audit.ts';

afterEach(() => {
  vi.useRealTimers();
});

test('an agent that tries and tries fills no disk, and how often it did is told', () => {
  const { entries, attempt } = audited();
  for (let count = 0; count < 1000; count += 1) attempt('busy');
  attempt('other');
  expect(entries.filter(({ agentId }) => agentId === 'busy')).toHaveLength(60);
  expect(entries.at(-1)).toMatchObject({
    type: 'egress',
    agentId: 'other',
    data: { outcome: 'denied', method: 'CONNECT', host: 'example.com', port: 443 },
  });
  vi.advanceTimersByTime(61_000);
  attempt('busy');
  expect(entries.at(-1)).toMatchObject({ agentId: 'busy', data: { omitted: 940 } });
});

test('the agents that were silent for longest are forgotten beyond a number', () => {
  const { entries, attempt } = audited();
  const recordsOf = (agent: string) => entries.filter(({ agentId }) => agentId === agent).length;
  for (let count = 0; count < 100; count += 1) attempt('silent');
  for (let count = 0; count < 100; count += 1) attempt('recent');
  for (let count = 0; count < 9_999; count += 1) attempt(`other ${count}`);
  attempt('recent');
  attempt('silent');
  expect([recordsOf('recent'), recordsOf('silent')]).toEqual([60, 61]);
});

function audited() {
  vi.useFakeTimers({ toFake: ['performance'] });
  const entries: AuditEntry[] = [];
  const append = (entry: AuditEntry) => entries.push(entry);
  const egress = new EgressAudit({ ...NO_AUDIT, append }, () => ({}));
  const attempt = (agentId: string) =>
    egress.record({
      ...{ agentId, method: 'CONNECT', host: 'example.com', port: 443, verdict: 'denied' },
      ...{ startedAt: new Date(), durationMs: 0, bytesUp: 0, bytesDown: 0 },
    });
  return { entries, attempt };
}
