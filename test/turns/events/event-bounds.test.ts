import { expect, test } from 'vitest';
import { boundEvent } from '../../../src/turns/events/event-bounds.ts';
import type { TurnEvent } from '../../../src/turns/events/turn-event.ts';

const LONG = 'x'.repeat(5_000_000);

const ENDLESS: readonly TurnEvent[] = [
  { type: 'thinking', text: LONG },
  { type: 'message', itemId: '1', text: LONG },
  { type: 'steered', text: LONG },
  { type: 'command_started', itemId: '1', command: LONG },
  {
    type: 'command_completed',
    itemId: '1',
    command: LONG,
    exitCode: 0,
    durationMs: 1,
    output: LONG,
  },
  { type: 'check_started', round: 1, rounds: 3, command: LONG },
  {
    ...{ type: 'check_completed', round: 1, rounds: 3, command: LONG, output: LONG },
    ...{ passed: false, exitCode: 1, timedOut: false, durationMs: 1 },
  },
  { type: 'tool_called', itemId: '1', tool: LONG },
  { type: 'web_searched', itemId: '1', query: LONG },
  { type: 'reconnecting', message: LONG },
  { type: 'warning', message: LONG },
  { type: 'files_changed', itemId: '1', applied: true, paths: Array(1000).fill(LONG) },
  { type: 'plan_updated', steps: Array(1000).fill({ step: LONG, status: 'pending' }) },
];

test('every event has an end, however much there is', () => {
  for (const event of ENDLESS) {
    const bounded = boundEvent(event);
    expect(JSON.stringify(bounded).length, event.type).toBeLessThan(20_000);
    expect(bounded.type).toBe(event.type);
    expect(boundEvent(bounded)).toEqual(bounded);
  }
});

test('what is as long as most is left as it is', () => {
  const event: TurnEvent = { type: 'message', itemId: '1', text: 'x'.repeat(4096) };
  expect(boundEvent(event)).toEqual(event);
  const paths = Array.from({ length: 200 }, (_, index) => `${index}.ts`);
  const changed: TurnEvent = { type: 'files_changed', itemId: '1', paths, applied: true };
  expect(boundEvent(changed)).toEqual(changed);
});

test('of a text the beginning is kept, with how long it was', () => {
  const bounded = boundEvent({ type: 'thinking', text: `first ${LONG}` });
  const text = bounded.type === 'thinking' ? bounded.text : '';
  expect(text).toMatch(/^first x+… \(5000006 characters\)$/);
  expect(text).toHaveLength(4096);
});

test('of an output the end is kept, with no half character', () => {
  const output = `${'x'.repeat(10_000)}😀${'y'.repeat(4095)}`;
  const item = { itemId: '1', command: 'cat', exitCode: 0, durationMs: 1 };
  const bounded = boundEvent({ type: 'command_completed', ...item, output });
  expect(bounded).toMatchObject({ output: `\uFFFD${'y'.repeat(4095)}` });
});

test('of a list the first entries are kept, and how many are left out is told', () => {
  const paths = Array.from({ length: 201 }, (_, index) => `${index}.ts`);
  const bounded = boundEvent({ type: 'files_changed', itemId: '1', paths, applied: true });
  expect(bounded).toMatchObject({ paths: paths.slice(0, 200), omitted: 1 });
  const long = Array.from({ length: 20 }, () => 'p'.repeat(1000));
  expect(
    boundEvent({ type: 'files_changed', itemId: '1', paths: long, applied: true }),
  ).toMatchObject({ paths: { length: 16 }, omitted: 4 });
});
