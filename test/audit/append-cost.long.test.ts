import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { freshDirectory, openLog, recordsOf } from './audit-rig.ts';

const RECORDS = 5_000;
const DURABLE = 200;
const DATA = {
  tool: 'implement',
  outcome: 'ok',
  durationMs: 12,
  arguments: { task: 'text of 812' },
};

test('a record costs a fraction of a durable insert, as many share one', () => {
  const text = JSON.stringify({
    type: 'call',
    agentId: 'agent-1',
    data: DATA,
    hash: 'x'.repeat(128),
  });
  using database = new DatabaseSync(path.join(freshDirectory(), 'bare.sqlite'));
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  database.exec('CREATE TABLE bare (seq INTEGER PRIMARY KEY, text TEXT)');
  const insert = database.prepare('INSERT INTO bare (text) VALUES (?)');
  const durable = microsecondsOf(DURABLE, () => insert.run(text));
  database.exec('BEGIN');
  const bare = microsecondsOf(RECORDS, () => insert.run(text));
  database.exec('COMMIT');

  const directory = freshDirectory();
  const log = openLog(directory);
  const startedAt = performance.now();
  for (let each = 0; each < RECORDS; each += 1) {
    log.append({ type: 'call', agentId: 'agent-1', correlationId: 'c'.repeat(36), data: DATA });
  }
  log.close();
  const audit = ((performance.now() - startedAt) * 1000) / RECORDS;
  expect(recordsOf(directory)).toHaveLength(RECORDS);
  const line = [`insert ${bare.toFixed(1)} µs`, `durable insert ${durable.toFixed(0)} µs`];
  process.stderr.write(`${line.join(', ')}, audit record ${audit.toFixed(1)} µs\n`);
  expect(audit).toBeLessThan(1000);
  expect(audit / bare).toBeLessThan(150);
});

function microsecondsOf(times: number, work: () => void): number {
  const startedAt = performance.now();
  for (let each = 0; each < times; each += 1) work();
  return ((performance.now() - startedAt) * 1000) / times;
}
