import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { AUDIT_FILE } from '../../src/audit/audit-file.ts';
import { readHead, writeHead } from '../../src/audit/audit-head.ts';
import { chain, hashOf } from '../../src/audit/audit-record.ts';
import { freshDirectory, openLog, recordsOf, tamper, verify, writtenAudit } from './audit-rig.ts';

const DAY_MS = 86_400_000;

afterEach(() => {
  vi.useRealTimers();
});

test('what is told is kept in order, with who and when', () => {
  const directory = freshDirectory();
  const log = openLog(directory);
  const tokens = {
    ...{ input_tokens: 5, cached_input_tokens: 0, output_tokens: 2, reasoning_output_tokens: 0 },
    ...{ total_tokens: 7, model_requests: 1 },
  };
  log.append({ type: 'login', principal: { id: 'ann', tenant: 'acme' } });
  log.append({ type: 'turn_ended', agentId: 'a', sessionId: 's', turnId: 't', tokens, cost: 0.5 });
  log.close();
  expect(recordsOf(directory)).toEqual([
    expect.objectContaining({ seq: 1, type: 'login', principal: 'ann', tenant: 'acme' }),
    expect.objectContaining({ seq: 2, principal: 'local', agentId: 'a', turnId: 't', cost: 0.5 }),
  ]);
  expect(verify(directory)).toMatchObject({ ok: true, records: 2, last: readHead(directory) });
});

test('data is bounded and holds no secret', () => {
  const directory = freshDirectory();
  const log = openLog(directory);
  const token = `ghp_${'a1B2'.repeat(9)}`;
  // The token lies where the text is cut.
  log.append({
    type: 'command',
    data: { command: `${'x '.repeat(505)}${token} and on`, password: 'p' },
  });
  log.append({
    type: 'command',
    data: { list: Array.from({ length: 1000 }, () => 'y'.repeat(5000)) },
  });
  log.close();
  const [first, second] = recordsOf(directory).map(({ data }) => JSON.stringify(data));
  expect(first).not.toContain('ghp_');
  expect(first).toContain('"password":"[redacted]"');
  expect(second?.length).toBeLessThan(10_000);
});

test('data that can not be read breaks nothing', () => {
  const directory = freshDirectory();
  const log = openLog(directory);
  log.append({ type: 'call', data: { at: new Date(Number.NaN) } });
  log.append({ type: 'call', data: { at: new Date(0), none: undefined, big: 1n } });
  log.close();
  expect(recordsOf(directory).map(({ data }) => data)).toEqual([
    { unreadable: true },
    { at: '1970-01-01T00:00:00.000Z', big: null },
  ]);
});

test('the next server goes on with the chain', () => {
  const directory = writtenAudit(3);
  const log = openLog(directory);
  log.append({ type: 'server_started' });
  log.close();
  expect(verify(directory)).toMatchObject({ ok: true, records: 4 });
});

describe('what was done to the file is found', () => {
  test('a changed record', () => {
    const directory = writtenAudit(9);
    tamper(
      directory,
      `UPDATE records SET text = replace(text, '"number":5', '"number":6') WHERE seq = 5`,
    );
    expect(verify(directory).problem).toMatchObject({ seq: 5, kind: 'changed' });
  });

  test('a changed record with a hash that fits it', () => {
    const directory = writtenAudit(9);
    const text = JSON.stringify({ ...recordsOf(directory)[4], data: { number: 99 } });
    tamper(
      directory,
      `UPDATE records SET text = '${text}', hash = '${hashOf(text)}' WHERE seq = 5`,
    );
    expect(verify(directory).problem).toMatchObject({ seq: 6, kind: 'unlinked' });
  });

  test('a record removed from the middle, with or without its number', () => {
    const directory = writtenAudit(9);
    tamper(directory, 'DELETE FROM records WHERE seq = 5');
    expect(verify(directory).problem).toMatchObject({ seq: 5, kind: 'missing' });
    tamper(
      directory,
      ...[6, 7, 8, 9].map((seq) => `UPDATE records SET seq = ${seq - 1} WHERE seq = ${seq}`),
    );
    expect(verify(directory).problem).toMatchObject({ seq: 5, kind: 'unlinked' });
  });

  test('two records in each other’s place', () => {
    const directory = writtenAudit(9);
    tamper(
      directory,
      'UPDATE records SET seq = 100 WHERE seq = 4',
      'UPDATE records SET seq = 4 WHERE seq = 5',
      'UPDATE records SET seq = 5 WHERE seq = 100',
    );
    expect(verify(directory).problem).toMatchObject({ seq: 4, kind: 'unlinked' });
  });

  test('the tail cut off, all of it too', () => {
    const directory = writtenAudit(9);
    tamper(directory, 'DELETE FROM records WHERE seq > 7');
    expect(verify(directory).problem).toMatchObject({ seq: 8, kind: 'tail_missing' });
    tamper(directory, 'DELETE FROM records');
    expect(verify(directory).problem).toMatchObject({ seq: 1, kind: 'tail_missing' });
  });

  test('the tail cut off before a server went on, even if the head was taken away', () => {
    for (const withHead of [true, false]) {
      const directory = writtenAudit(9);
      tamper(directory, 'DELETE FROM records WHERE seq > 7');
      if (!withHead) fs.rmSync(path.join(directory, 'audit.head'));
      openLog(directory).close();
      expect(verify(directory).problem).toMatchObject({ seq: 8, kind: 'gap' });
    }
  });

  test('a chain made anew from its middle', () => {
    const directory = writtenAudit(9);
    const before = recordsOf(directory)[7];
    const last = { seq: 8, hash: hashOf(JSON.stringify(before)) };
    const forged = chain(last, new Date(), { type: 'call' });
    tamper(
      directory,
      `UPDATE records SET text = '${forged.text}', hash = '${forged.hash}' WHERE seq = 9`,
    );
    expect(verify(directory).problem).toMatchObject({ seq: 9, kind: 'changed' });
  });

  test('the beginning removed as if for its age', () => {
    const directory = writtenAudit(9);
    tamper(
      directory,
      'UPDATE anchor SET seq = 4, hash = (SELECT hash FROM records WHERE seq = 4)',
      'DELETE FROM records WHERE seq <= 4',
    );
    expect(verify(directory).problem).toMatchObject({ seq: 5, kind: 'anchor_unsigned' });
  });
});

test('who uses the file as a database can only add to it', () => {
  const directory = writtenAudit(5);
  using database = new DatabaseSync(path.join(directory, AUDIT_FILE));
  const forbidden = [
    "UPDATE records SET text = '{}' WHERE seq = 2",
    'DELETE FROM records WHERE seq = 2',
    'DELETE FROM records',
    "INSERT OR REPLACE INTO records (seq, hash, text) VALUES (2, 'x', '{}')",
    'UPDATE anchor SET seq = 9',
    'DELETE FROM anchor',
  ];
  for (const statement of forbidden)
    expect(() => database.exec(statement), statement).toThrow(/audit/);
  expect(verify(directory)).toMatchObject({ ok: true, records: 5 });
});

test('old records go after their time, and the chain still holds', async () => {
  const directory = freshDirectory();
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 40 * DAY_MS });
  const old = openLog(directory);
  for (let count = 0; count < 12_000; count += 1) old.append({ type: 'call' });
  // More than may wait is lost, and the chain says so.
  old.close();
  vi.useRealTimers();
  const log = openLog(directory, { AUDIT_RETENTION_DAYS: 30 });
  log.append({ type: 'call', agentId: 'new' });
  await vi.waitFor(() => expect(verify(directory).prunedThrough).toBe(10_001), 10_000);
  log.close();
  expect(verify(directory)).toMatchObject({ ok: true });
  const kept = recordsOf(directory).map(({ type }) => type);
  expect(kept.filter((type) => type === 'call')).toHaveLength(1);
  expect(kept).toContain('audit_pruned');
  // Kept for ever.
  openLog(directory, { AUDIT_RETENTION_DAYS: 0 }).close();
  expect(recordsOf(directory)).toHaveLength(kept.length);
});

test('what can not be written waits, is counted, and is written later', async () => {
  const directory = path.join(freshDirectory(), 'later');
  const log = openLog(directory);
  for (let count = 0; count < 10_005; count += 1) log.append({ type: 'call' });
  expect(log.state).toMatchObject({ waiting: 10_000, lost: 5, failure: expect.any(String) });
  expect(() => log.assertWritable()).not.toThrow();
  fs.mkdirSync(directory);
  await vi.waitFor(() => expect(log.state).toEqual({ waiting: 0, lost: 5 }), 10_000);
  log.close();
  const written = recordsOf(directory);
  expect(written).toHaveLength(10_001);
  expect(written.at(-1)).toMatchObject({ type: 'audit_lost', data: { records: 5 } });
  expect(verify(directory).ok).toBe(true);
});

test('where records are required, calls are refused meanwhile and each is written at once', async () => {
  const directory = path.join(freshDirectory(), 'later');
  const log = openLog(directory, { AUDIT_REQUIRED: true });
  expect(() => log.assertWritable()).toThrow(
    expect.objectContaining({ code: 'audit_unavailable' }),
  );
  fs.mkdirSync(directory);
  await vi.waitFor(() => expect(() => log.assertWritable()).not.toThrow(), 10_000);
  log.append({ type: 'call' });
  expect(recordsOf(directory)).toHaveLength(1);
  log.close();
});

test('the head follows within a second or so', async () => {
  const directory = freshDirectory();
  const log = openLog(directory);
  log.append({ type: 'call' });
  await sleep(1500);
  expect(readHead(directory)?.seq).toBe(1);
  // It may lag behind, as after a crash.
  log.close();
  writeHead(directory, { seq: 0, hash: '0'.repeat(64) });
  expect(verify(directory).ok).toBe(true);
});
