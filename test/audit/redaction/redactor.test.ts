import { describe, expect, test } from 'vitest';
import { Redactor } from '../../../src/audit/redaction/redactor.ts';
import { negatives, positives } from './corpus.ts';

const redactor = new Redactor();

describe('what is a secret by its form or its place is taken out', () => {
  for (const { name, text, secret } of positives()) {
    test(name, () => {
      expect(text).toContain(secret);
      const redacted = redactor.text(text);
      expect(redacted).toContain('[redacted');
      expect(redacted).not.toContain(secret);
      // Not a part of it either.
      expect(redacted).not.toContain(secret.slice(-16));
    });
  }
});

test('usual text stays as it is', () => {
  const changed = negatives().filter((text) => redactor.text(text) !== text);
  expect(changed).toEqual([]);
});

test('what surrounds a secret stays, and each secret of a text goes', () => {
  const [first, second] = positives();
  const text = `a ${first?.secret} b ${second?.secret} c ${first?.secret} d`;
  expect(redactor.text(text)).toMatch(
    /^a \[redacted \w+\] b \[redacted \w+\] c \[redacted \w+\] d$/,
  );
});

test('a password goes from a URL and the rest of it stays', () => {
  const secret = ['pa', 'ss', 'word1'].join('');
  expect(redactor.text(`https://bob:${secret}@git.example.com/x?y=1`)).toBe(
    'https://bob:[redacted URL_PASSWORD]@git.example.com/x?y=1',
  );
});

test('our own secrets are known by their value, in URLs too', () => {
  const own = new Redactor();
  own.addSecret('correct horse & battery');
  own.addSecret('short');
  own.addSecret(undefined);
  expect(own.text('it is correct horse & battery, and short')).toBe(
    'it is [redacted KNOWN_SECRET], and short',
  );
  expect(own.text('/?k=correct%20horse%20%26%20battery')).toBe('/?k=[redacted KNOWN_SECRET]');
});

test('JSON keeps its form; what is named a secret goes whole', () => {
  const at = new Date();
  const value = {
    Authorization: 'anything',
    token: 'abc',
    total_tokens: 12,
    cookie: '',
    nested: [{ password: 'x' }, ['plain'], null, true, at],
  };
  expect(redactor.json(value)).toEqual({
    Authorization: '[redacted]',
    token: '[redacted]',
    total_tokens: 12,
    cookie: '',
    nested: [{ password: '[redacted]' }, ['plain'], null, true, at],
  });
});

test('JSON that is too deep does not break it', () => {
  let value: unknown = 'leaf';
  for (let depth = 0; depth < 10_000; depth += 1) value = [value];
  expect(JSON.stringify(redactor.json(value))).toContain('[redacted]');
});

test('addresses of people stay unless asked otherwise', () => {
  const text = 'written by ann.b+c@mail.example.com today';
  expect(redactor.text(text)).toBe(text);
  expect(new Redactor({ emails: true }).text(text)).toBe('written by [redacted EMAIL] today');
});

test('1 MB of what is made to be slow is searched in time', () => {
  const hostile = [
    'a', '4', ' ', '"', '\n', 'a.', 'a@', 'a@a.', 'eyJ', 'eyJhbGciOi.', 'token', 'token=', 'token   ',
    'bearer ', 'http://', 'https://a:', 'ab://', 'mysql://a:', 'xoxb-a-', 'sk-ant-api03-', '4 1-', 'AKIA',
    'authorization: basic ', 'aws_secret_access_key=', '-----BEGIN ', '-----BEGIN RSA PRIVATE KEY-----\n',
    '-----END RSA PRIVATE KEY-----', `${'A'.repeat(99)}-----END RSA PRIVATE KEY-----`, 'https://hooks.slack.com/services/',
  ]; // biome-ignore format: a list
  const emails = new Redactor({ emails: true });
  const slow = hostile.filter((part) => {
    const text = part.repeat(Math.ceil(1e6 / part.length));
    const from = performance.now();
    emails.text(text);
    return performance.now() - from > 3000;
  });
  expect(slow).toEqual([]);
});
