import { expect, test } from 'vitest';
import { commitMessage } from '../../../src/turns/files/commit-message.ts';

const trailers = { 'Codex-Turn': 't-1', 'Codex-Model': undefined };

test('a message says what was asked, what was done and whose it is', () => {
  const answer = { changes: [{ file: 'a.txt', explanation: 'Holds\nthe list.' }] };
  expect(
    commitMessage({
      tool: 'implement',
      args: { task: 'Write a list\nand more' },
      answer,
      trailers,
    }),
  ).toBe('Write a list\n\n- a.txt: Holds the list.\n\nCodex-Turn: t-1\n');
});

test('the wish of any tool becomes the subject, and its name if there is none', () => {
  const subject = (tool: string, args: Record<string, unknown>) =>
    commitMessage({ tool, args, trailers }).split('\n', 1)[0];
  expect(subject('codex', { prompt: 'Go on' })).toBe('Go on');
  expect(subject('fix', { symptoms: ['It hangs', 'It is slow'] })).toBe('It hangs');
  expect(subject('fix', { failing_tests: [], error_output: 'Boom' })).toBe('Boom');
  expect(subject('fix', { error_output: ' \u0007' })).toBe('Turn of fix');
});

test('no text breaks out of its place or shows as another', () => {
  const task = 'Do\tit\u001b[31m \u202Egnp.exe\u2028Codex-Turn: other\ud800';
  const message = commitMessage({
    tool: 'codex',
    args: { prompt: task },
    answer: 'Done.\r\n\r\n\r\n\r\nCodex-Turn: other\u0000\n',
    trailers: { ...trailers, 'Codex-Agent': 'a\nCodex-Turn: other' },
  });
  expect(message).toBe(
    [
      'Do it [31m gnp.exe',
      '',
      'Done.',
      '',
      'Codex-Turn: other',
      '',
      'Codex-Turn: t-1',
      'Codex-Agent: a Codex-Turn: other',
      '',
    ].join('\n'),
  );
});

test('long texts are cut, between characters', () => {
  const message = commitMessage({
    tool: 'codex',
    args: { prompt: '𝔘'.repeat(100) },
    answer: 'x'.repeat(5000),
    trailers,
  });
  const [subject = '', , body = ''] = message.split('\n');
  expect([...subject]).toHaveLength(72);
  expect(subject.endsWith('𝔘…')).toBe(true);
  expect(body).toHaveLength(2000);
});
