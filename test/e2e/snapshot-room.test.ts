import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DATABASE_FILE } from '../../src/store/sqlite/sqlite-store.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { putFiles } from './agent-files.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const EACH_SECOND = { REAPER_SCHEDULE: '* * * * * *' };

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    runtime: 'process',
    script: answerAnything,
    environment: { SNAPSHOTS_PER_AGENT: '2', SNAPSHOT_BYTES_PER_PRINCIPAL: '3m' },
  });
  for (const agent of ['a', 'b']) await putFiles(server, agent, { 'a.txt': 'a' });
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

test('the snapshots of one caller have so much room together', async () => {
  await using client = await connect(server);
  for (const name of ['a', 'b']) {
    const workspace = path.join(server.dataDir, 'agents', name, 'workspace');
    fs.writeFileSync(path.join(workspace, 'big.bin'), randomBytes(2_000_000));
  }
  const first = await call(client, 'snapshot', { agent_id: 'a' });
  await expect(call(client, 'snapshot', { agent_id: 'b' })).rejects.toMatchObject({
    code: 'quota_exceeded',
    message: expect.stringContaining(`delete_snapshot, such as the oldest: ${first.snapshot_id}`),
  });
  expect(kept()).toEqual([first.snapshot_id]);
  // Both at once: each finds room when it begins.
  await call(client, 'delete_snapshot', { snapshot_id: first.snapshot_id });
  const both = ['a', 'b'].map((agent_id) => call(client, 'snapshot', { agent_id }));
  const outcomes = await Promise.allSettled(both);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(kept()).toHaveLength(1);
  const { snapshots } = await call(client, 'list_snapshots');
  expect(snapshots).toMatchObject([{ snapshot_id: kept()[0] }]);
  await call(client, 'delete_snapshot', { snapshot_id: snapshots[0].snapshot_id });
});

test('the reaper removes the files of snapshots that are too old or too many', async () => {
  await server.restart({ SNAPSHOTS_PER_AGENT: '3', SNAPSHOT_BYTES_PER_PRINCIPAL: '0' });
  const before = await connect(server);
  const ids: string[] = [];
  for (const agent_id of ['a', 'a', 'a', 'b']) {
    ids.push((await call(before, 'snapshot', { agent_id })).snapshot_id);
  }
  await before[Symbol.asyncDispose]();
  const [old, second, third, other] = ids;
  await server.stop();
  const database = new DatabaseSync(path.join(server.dataDir, DATABASE_FILE));
  const dayAgo = Date.now() - 86_400_000;
  database.prepare('UPDATE backups SET created_at = ? WHERE backup_id = ?').run(dayAgo, `${old}`);
  database.close();

  await server.restart({ SNAPSHOT_RETENTION: '3600', SNAPSHOTS_PER_AGENT: '3', ...EACH_SECOND });
  await expect.poll(kept).toEqual([second, third, other].sort());
  expect(await listed()).toEqual([second, third, other].sort());
  await server.restart({ SNAPSHOTS_PER_AGENT: '1', ...EACH_SECOND });
  await expect.poll(kept).toEqual([third, other].sort());
  expect(await listed()).toEqual([third, other].sort());
  expect((await fetch(`${server.url}/api/v1/snapshots/${second}`)).status).toBe(404);
  expect((await fetch(`${server.url}/api/v1/snapshots/${third}`)).status).toBe(200);
});

/** Ids of the snapshots whose files are there. */
function kept(): string[] {
  const names = fs.readdirSync(path.join(server.dataDir, 'snapshots'));
  return names.map((name) => name.replace(/\.tar\.gz$/, '')).sort();
}

async function listed(): Promise<string[]> {
  await using client = await connect(server);
  const { snapshots } = await call(client, 'list_snapshots');
  return snapshots.map((each: { snapshot_id: string }) => each.snapshot_id).sort();
}
