import { afterEach, expect, test, vi } from 'vitest';
import { type AuditEntry, NO_AUDIT } from '../../src/audit/audit-log.ts';
import { DeniedEgress } from '../../src/audit/denied-egress.ts';

afterEach(() => {
  vi.useRealTimers();
});

test('an agent that tries and tries fills no disk, and how often it did is told', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const entries: AuditEntry[] = [];
  const egress = new DeniedEgress({ ...NO_AUDIT, append: (entry) => entries.push(entry) });
  const attempt = (agentId: string) =>
    egress.denied({ agentId, method: 'CONNECT', target: 'example.com:443' });
  for (let count = 0; count < 1000; count += 1) attempt('busy');
  attempt('other');
  expect(entries.filter(({ agentId }) => agentId === 'busy')).toHaveLength(60);
  expect(entries.at(-1)).toMatchObject({
    type: 'egress',
    agentId: 'other',
    data: { outcome: 'denied', method: 'CONNECT', target: 'example.com:443' },
  });
  vi.advanceTimersByTime(61_000);
  attempt('busy');
  expect(entries.at(-1)).toMatchObject({ agentId: 'busy', data: { omitted: 940 } });
});
