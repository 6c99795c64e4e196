import { expect, test } from 'vitest';
import {
  type AgentLife,
  dueTransition,
  secondsUntil,
} from '../../../src/agents/life/agent-life.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const settings = {
  PAUSE_TIMEOUT: 10,
  SESSION_TIMEOUT: 100,
  ARCHIVE_TIMEOUT: 1000,
  RETENTION_TIMEOUT: 10_000,
};

function agent(life: Partial<AgentLife> & { idle: number }): AgentLife {
  const { idle, ...rest } = life;
  const idleSince = new Date(NOW.getTime() - idle * 1000);
  return { status: 'idle', pinned: false, awaited: false, idleSince, ...rest };
}

test.each([
  ['idle', 9, 'none'],
  ['idle', 10, 'pause'],
  ['idle', 100, 'stop'],
  ['idle', 1000, 'archive'],
  ['idle', 10_000, 'remove'],
  ['paused', 99, 'none'],
  ['paused', 100, 'stop'],
  ['paused', 1000, 'archive'],
  ['stopped', 999, 'none'],
  ['stopped', 1000, 'archive'],
  ['stopped', 10_000, 'remove'],
  ['archived', 9999, 'none'],
  ['archived', 10_000, 'remove'],
  ['busy', 99_999, 'none'],
] as const)('what is due for an agent that is %s for %i s: %s', (status, idle, step) => {
  expect(dueTransition(agent({ status, idle }), NOW, settings)).toBe(step);
});

test('nothing is ever due for an agent that is pinned or that calls wait for', () => {
  for (const status of ['idle', 'paused', 'stopped', 'archived'] as const) {
    expect(dueTransition(agent({ status, idle: 99_999, pinned: true }), NOW, settings)).toBe(
      'none',
    );
    expect(dueTransition(agent({ status, idle: 99_999, awaited: true }), NOW, settings)).toBe(
      'none',
    );
  }
});

test('a time-out of 0 leaves its step out, whatever comes after it', () => {
  const steps = (idle: number, changed: Partial<typeof settings>) =>
    dueTransition(agent({ idle }), NOW, { ...settings, ...changed });
  expect(steps(99, { PAUSE_TIMEOUT: 0 })).toBe('none');
  expect(steps(100, { PAUSE_TIMEOUT: 0 })).toBe('stop');
  expect(steps(9999, { ARCHIVE_TIMEOUT: 0 })).toBe('stop');
  expect(steps(10_000, { ARCHIVE_TIMEOUT: 0 })).toBe('remove');
  expect(steps(1e9, { RETENTION_TIMEOUT: 0 })).toBe('archive');
});

test('the time that is left is told for every step ahead, and for no other', () => {
  expect(secondsUntil(agent({ idle: 4 }), NOW, settings)).toEqual({
    pause: 6,
    stop: 96,
    archive: 996,
    remove: 9996,
  });
  expect(secondsUntil(agent({ status: 'stopped', idle: 400 }), NOW, settings)).toEqual({
    archive: 600,
    remove: 9600,
  });
  expect(secondsUntil(agent({ status: 'busy', idle: 4 }), NOW, settings)).toEqual({});
});

test('an agent whose last use is in the future, by a clock that was set back, is left alone', () => {
  expect(dueTransition(agent({ idle: -50 }), NOW, settings)).toBe('none');
});
