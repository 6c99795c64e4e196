import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ProgressReporter } from '../../../src/turns/events/progress-reporter.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test('the first message goes out at once', () => {
  const sent: string[] = [];
  using reporter = reporting((message) => sent.push(message));
  reporter.report('Begin');
  expect(sent).toEqual(['Begin']);
});

test('of many messages only a few a second go out, and the last is among them', () => {
  const sent: string[] = [];
  using reporter = reporting((message) => sent.push(message));
  for (let count = 0; count < 1000; count++) {
    reporter.report(`message ${count}`);
    vi.advanceTimersByTime(2);
  }
  vi.advanceTimersByTime(1000);
  expect(sent.length).toBeLessThanOrEqual(9);
  expect(sent.at(-1)).toBe('message 999');
});

test('a silent turn is never silent for more than 25 seconds', () => {
  const times: number[] = [];
  const began = Date.now();
  using reporter = reporting(() => times.push(Date.now() - began));
  reporter.report('Running: make');
  vi.advanceTimersByTime(120_000);
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  expect(Math.max(...gaps)).toBeLessThanOrEqual(25_000);
  expect(times.length).toBeGreaterThan(4);
});

test('what is said again carries how long it has taken', () => {
  const sent: string[] = [];
  using reporter = reporting((message) => sent.push(message));
  reporter.report('Running: make');
  vi.advanceTimersByTime(21_000);
  expect(sent.at(-1)).toMatch(/^Running: make \(\d+ s\)$/);
});

test('events are told in sentences of one line', () => {
  const sent: string[] = [];
  using reporter = reporting((message) => sent.push(message));
  const tell = (event: Parameters<typeof reporter.reportEvent>[0]) => {
    reporter.reportEvent(event);
    vi.advanceTimersByTime(300);
  };
  tell({ type: 'thinking', text: 'Where is\nthe bug?' });
  tell({ type: 'command_started', itemId: '1', command: 'npm test' });
  tell({
    type: 'command_completed',
    itemId: '1',
    command: 'npm test',
    exitCode: 1,
    durationMs: 5,
    output: '',
  });
  tell({ type: 'files_changed', itemId: '2', paths: ['a.ts', 'b.ts'], applied: true });
  tell({
    type: 'plan_updated',
    steps: [
      { step: 'Look', status: 'completed' },
      { step: 'Mend', status: 'in_progress' },
    ],
  });
  tell({ type: 'message', itemId: '3', text: '{"changes":[]}' });
  expect(sent).toEqual([
    'Thinking: Where is the bug?',
    'Running: npm test',
    'Failed (1): npm test',
    'Changed a.ts, b.ts',
    'Step 2 of 2: Mend',
    'Answering',
  ]);
});

test('nothing is sent after the end', () => {
  const sent: string[] = [];
  const reporter = reporting((message) => sent.push(message));
  reporter.report('one');
  reporter.report('two');
  reporter[Symbol.dispose]();
  vi.advanceTimersByTime(60_000);
  expect(sent).toEqual(['one']);
});

/** A reporter with a listener of what comes after the first message. */
function reporting(listener: (message: string) => void): ProgressReporter {
  const reporter = new ProgressReporter();
  let isFirst = true;
  reporter.listen((message) => {
    if (!isFirst) listener(message);
    isFirst = false;
  });
  return reporter;
}
