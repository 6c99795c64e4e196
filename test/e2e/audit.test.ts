import path from 'node:path';
import { expect, test } from 'vitest';
import { AuditReader } from '../../src/audit/audit-reader.ts';
import { verify } from '../audit/audit-rig.ts';
import { runsOnce } from '../fakes/stand-in-model/script.ts';
import { call, connect, REAL_KEY, startTestServer } from './test-server.ts';

const TOKEN = `ghp_${'a1B2'.repeat(9)}`;

test('what an agent does is recorded without secrets, and its result stays exact', async () => {
  const script = runsOnce(`echo key=${TOKEN} > a.txt; cat a.txt; echo ${REAL_KEY}`);
  await using target = await startTestServer({ runtime: 'process', script });
  await using client = await connect(target);
  const args = { task: 'a secret plan', agent_id: 'a', wait: false };
  const { turn_id } = await call(client, 'implement', args);
  const { result } = await call(client, 'wait_turn', { turn_id });
  const journal = await (await fetch(`${target.url}/api/v1/turns/${turn_id}/events`)).text();
  await expect(call(client, 'get_turn', { turn_id: 'none' })).rejects.toThrow();
  await call(client, 'cleanup_inactive_agents', { older_than_seconds: 0, remove: true });
  expect(result.changes[0].diff).toContain(TOKEN);
  const events = client.progress.join();
  await target.stop();

  const records = recordsIn(target.dataDir);
  const ofTurn = records.filter((record) => record.turnId === turn_id);
  expect(ofTurn.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['call', 'turn_started', 'command', 'turn_ended']),
  );
  expect(ofTurn.find(({ type }) => type === 'turn_ended')).toMatchObject({
    agentId: 'a',
    principal: 'local',
    sessionId: expect.any(String),
    tokens: { model_requests: expect.any(Number) },
    data: { tool: 'implement', state: 'completed' },
  });
  expect(
    records.find(({ data }) => data?.outcome === 'submitted' || data?.tool === 'implement'),
  ).toMatchObject({
    data: { arguments: { task: 'text of 13', wait: 'false' } },
  });
  expect(records.find(({ data }) => data?.outcome === 'turn_not_found')).toMatchObject({
    correlationId: expect.any(String),
  });
  expect(records.at(-1)).toMatchObject({ type: 'server_stopped', principal: 'server' });
  expect(records.some(({ type, agentId }) => type === 'agent_removed' && agentId === 'a')).toBe(
    true,
  );
  const text = JSON.stringify(records);
  for (const secret of [TOKEN, REAL_KEY, 'a secret plan']) expect(text).not.toContain(secret);
  expect(text).toContain('[redacted GITHUB_TOKEN]');
  expect(events).not.toContain(TOKEN);
  // The last one is the result.
  const [journaled = ''] = journal.split('event: end');
  expect(journaled).toContain('key=[redacted GITHUB_TOKEN]');
  for (const secret of [TOKEN, REAL_KEY]) expect(journaled).not.toContain(secret);
  expect(verify(target.dataDir)).toMatchObject({ ok: true, records: records.length });
});

type Seen = {
  type: string;
  principal: string;
  agentId?: string;
  turnId?: string;
  data?: Record<string, unknown>;
};

function recordsIn(directory: string): Seen[] {
  using reader = new AuditReader(path.join(directory, 'audit.sqlite'));
  return [...reader.records()].map(({ text }) => JSON.parse(text));
}
