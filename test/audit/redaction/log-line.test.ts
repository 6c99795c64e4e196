import { pino } from 'pino';
import { expect, test } from 'vitest';
import { redactedLine } from '../../../src/audit/redaction/log-line.ts';
import { redactorOf } from '../../../src/audit/redaction/redactor-of.ts';
import { loadConfig } from '../../../src/server/load-config.ts';

const KEY = 'our-own-key-for-the-provider';

test('a line of the log is JSON as before, without secrets', () => {
  const redactor = redactorOf(loadConfig({ OPENAI_API_KEY: KEY }));
  const lines: string[] = [];
  const hooks = { streamWrite: (line: string) => redactedLine(line, redactor) };
  const log = pino({ hooks }, { write: (line) => lines.push(line) });
  log.info({ agentId: 'a', seconds: 1.5 }, 'Usual');
  log.warn({ err: new Error(`401 for\n"${KEY}"`), headers: { authorization: 'x' } }, `with ${KEY}`);
  const [usual, failure] = lines.map((line) => JSON.parse(line));
  expect(usual).toMatchObject({ level: 30, agentId: 'a', seconds: 1.5, msg: 'Usual' });
  expect(failure).toMatchObject({
    level: 40,
    msg: 'with [redacted KNOWN_SECRET]',
    headers: { authorization: '[redacted]' },
    err: { message: '401 for\n"[redacted KNOWN_SECRET]"' },
  });
  expect(lines.join('')).not.toContain(KEY);
  expect(lines.every((line) => line.endsWith('}\n'))).toBe(true);
});

test('a line that is no JSON is redacted all the same', () => {
  const redactor = redactorOf(loadConfig({ OPENAI_API_KEY: KEY }));
  expect(redactedLine(`plain ${KEY}\n`, redactor)).toBe('plain [redacted KNOWN_SECRET]\n');
});
