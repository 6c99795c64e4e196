import fs from 'node:fs';
import { expect, test } from 'vitest';
import { errorsPage } from '../docs/pages/errors-page.ts';
import { AppError, ERRORS, type ErrorCode, reportError } from '../src/errors.ts';

test('docs/errors.md says what the table says', () => {
  const written = fs.readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8');
  expect(written, 'run `npm run docs`').toBe(errorsPage());
});

test('a report says what happened, what to do and whether to try again', () => {
  const error = new AppError('queue_full', 'Too many calls wait.', { data: { limit: 3 } });
  expect(reportError(error, 'abc')).toEqual({
    code: 'queue_full',
    message: 'Too many calls wait.',
    hint: 'Wait for queued turns of the agent, or raise MAX_QUEUED_TURNS.',
    retryable: true,
    correlation_id: 'abc',
    limit: 3,
    retry_after_seconds: 5,
  });
});

test('whatever is worth another try and answered 429 or 503 says after how many seconds', () => {
  const codes = Object.keys(ERRORS) as ErrorCode[];
  const busy = codes.filter(
    (code) => ERRORS[code].retry && [429, 503].includes(ERRORS[code].status),
  );
  expect(busy).toContain('queue_full');
  for (const code of busy) {
    const wait = reportError(new AppError(code, 'Busy.')).retry_after_seconds;
    expect(wait, code).toBeGreaterThan(0);
  }
  const data = { retry_after_seconds: 77 };
  expect(reportError(new AppError('queue_full', 'Busy.', { data }))).toMatchObject(data);
  expect(reportError(new AppError('no_space', 'Full.'))).not.toHaveProperty('retry_after_seconds');
});

test('the text of an unexpected error stays in the server', () => {
  const report = reportError(new Error('password=hunter2'));
  expect(report.code).toBe('internal');
  expect(JSON.stringify(report)).not.toContain('hunter2');
});
