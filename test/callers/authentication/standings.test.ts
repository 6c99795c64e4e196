import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Standings } from '../../../src/callers/authentication/standings.ts';

const NOW = Date.parse('2026-12-01T12:00:00Z') / 1000;
const ann = { id: 'ann', tenant: 'default' };

beforeEach(() => void vi.useFakeTimers({ now: NOW * 1000 }));
afterEach(() => void vi.useRealTimers());

test('a token that has expired takes no role from others any more', () => {
  const standings = new Standings();
  const claims = { iss: 'us', sub: 'ann', client_id: 'desk' };
  const long = { ...claims, iat: NOW - 20, exp: NOW + 600 };
  const wide = standings.of(long, { ...ann, roles: ['developer', 'approver'] });
  standings.of({ ...claims, iat: NOW - 10, exp: NOW + 60 }, { ...ann, roles: ['developer'] });
  expect(wide.roles).toEqual(['developer']);
  vi.advanceTimersByTime(61_000);
  expect(wide.roles).toEqual(['developer', 'approver']);
});
