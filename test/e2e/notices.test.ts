import { LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newAgent } from '../../src/agents/agent.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { type EventReader, type ReadEvent, readEvents } from '../transports/rest/event-reader.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

/** Nothing happens to an agent unless a test wants it to. */
const CALM = {
  ...{ PAUSE_TIMEOUT: '0', ARCHIVE_TIMEOUT: '0', RETENTION_TIMEOUT: '0' },
  REAPER_SCHEDULE: '* * * * * *',
};

describe.each(CHEAPEST)('of an agent in the $runtime runtime', ({ runtime }) => {
  let target: TestServer;
  beforeAll(async () => {
    target = await startTestServer({ runtime, script: answerAnything, environment: CALM });
  });
  afterAll(() => target?.[Symbol.asyncDispose]());

  test('clients hear before it is stopped, and a call saves it', async () => {
    await target.restart({ SESSION_TIMEOUT: '6', EXPIRY_WARNING: '3' });
    await using owner = await connect(target, 'sse', '?agent_id=mine');
    await using caller = await connect(target, 'http');
    await using stranger = await connect(target, 'sse', '?agent_id=other');
    await using quiet = await connect(target, 'http', '?agent_id=mine');
    await quiet.client.setLoggingLevel('error');
    const heard = [owner, caller, stranger, quiet].map(listen);
    const counts = () => heard.map(({ length }) => length);

    await call(caller, 'plan', { task: 'x', agent_id: 'mine' });
    await using reader = await readEvents(`${target.url}/api/v1/agents/mine/events`);
    await expect.poll(counts).toEqual([1, 1, 0, 0]);
    expect(await statusOf(owner, 'mine')).toBe('idle');
    expect(heard[0]).toEqual(heard[1]);
    expect(heard[0]?.[0]).toMatchObject({
      level: 'notice',
      logger: 'agents',
      data: { agent_id: 'mine', step: 'stop', reason: 'idle', in_seconds: expect.any(Number) },
    });

    await call(caller, 'plan', { task: 'Stay', agent_id: 'mine' });
    await expect.poll(counts).toEqual([2, 2, 0, 0]);
    expect(await statusOf(owner, 'mine')).toBe('idle');
    await expect.poll(() => statusOf(owner, 'mine')).toBe('stopped');
    await call(caller, 'plan', { task: 'Wake', agent_id: 'mine' });
    await expect
      .poll(() => told(reader))
      .toEqual([
        'state',
        'agent_expiring stop idle',
        'agent_expiring stop idle',
        'agent_taken stop idle',
        'agent_woken stopped',
      ]);
    expect(reader.events[0]?.data).toMatchObject({
      agent_id: 'mine',
      status: 'idle',
      pinned: false,
      seconds_until: { paused: null, archived: null, removed: null },
    });
    expect(counts()).toEqual([2, 2, 0, 0]);
  });

  test('who must make room, or is cleaned up, is told at once', async () => {
    await target.restart({ MAX_CONCURRENT_SESSIONS: '1' });
    await using first = await connect(target, 'sse', '?agent_id=mine');
    await using second = await connect(target, 'http', '?agent_id=second');
    const heard = [first, second].map(listen);
    await call(first, 'plan', { task: 'x' });
    await call(second, 'plan', { task: 'x' });
    await expect.poll(() => heard[0]).toHaveLength(1);
    await call(first, 'cleanup_inactive_agents');
    await expect.poll(() => heard[1]).toHaveLength(1);
    const reasons = heard.flat().map(({ data }) => [data.agent_id, data.reason, data.in_seconds]);
    expect(reasons).toEqual([
      ['mine', 'eviction', 0],
      ['second', 'cleanup', 0],
    ]);
  });

  test('clients hear before it is removed, even by a server that finds it overdue', async () => {
    await target.stop();
    const store = SqliteStore.open(target.dataDir);
    store.agents.put(newAgent('overdue'));
    store.agents.touch('overdue', new Date(Date.now() - 3_600_000));
    store.close();
    await target.restart({ RETENTION_TIMEOUT: '6', EXPIRY_WARNING: '3' });
    const up = Date.now();
    await using overdue = await readEvents(`${target.url}/api/v1/agents/overdue/events`);
    await using client = await connect(target, 'sse', '?agent_id=mine');
    await client.client.setLoggingLevel('warning');
    const heard = listen(client);
    await using reader = await readEvents(`${target.url}/api/v1/agents/mine/events`);
    await call(client, 'plan', { task: 'x' });
    const { session } = await call(client, 'get_my_session_info');
    expect(session.removed_in_seconds).toBeLessThanOrEqual(6);
    expect(session.stops_in_seconds).toBeGreaterThan(3000);
    await expect.poll(() => told(reader).at(-1)).toBe('agent_taken remove idle');
    expect(told(reader).slice(-2)).toEqual([
      'agent_expiring remove idle',
      'agent_taken remove idle',
    ]);
    expect(heard.at(-1)).toMatchObject({
      level: 'warning',
      data: { agent_id: 'mine', step: 'remove' },
    });
    expectWarned(reader);

    await expect.poll(() => told(overdue).at(-1)).toBe('agent_taken remove idle');
    expect(overdue.events[0]?.data).toMatchObject({ seconds_until: { removed: 0 } });
    // It told of it when it started.
    expect(timeOf(overdue.events.at(-1)) - up).toBeGreaterThan(2000);
  });

  test('that does not exist there are no events', async () => {
    const response = await fetch(`${target.url}/api/v1/agents/nobody/events`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { code: 'agent_not_found' } });
  });
});

type Notice = { level: string; data: Record<string, unknown> };

function listen({ client }: Connection): Notice[] {
  const heard: Notice[] = [];
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
    heard.push(params as Notice);
  });
  return heard;
}

function told({ events }: EventReader): string[] {
  return events.map(({ event, data }) =>
    [event, data.step, data.reason, data.from].filter((part) => part !== undefined).join(' '),
  );
}

/** The removal kept to what was told. */
function expectWarned({ events }: EventReader): void {
  const [warning, removal] = events.slice(-2);
  const toldSeconds = Number(warning?.data.in_seconds);
  expect(toldSeconds).toBeGreaterThan(0);
  expect(timeOf(removal) - timeOf(warning)).toBeGreaterThanOrEqual(toldSeconds * 1000 - 50);
}

function timeOf(event: ReadEvent | undefined): number {
  return Date.parse(String(event?.data.at));
}

async function statusOf(client: Connection, agentId: string): Promise<string> {
  const { sessions } = await call(client, 'list_sessions', { agent_id: agentId });
  return sessions[0].status;
}
