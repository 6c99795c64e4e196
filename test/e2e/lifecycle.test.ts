import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import { answerAnything, runsOnce, type Script } from '../fakes/stand-in-model/script.ts';
import { json } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST, RUNTIMES } from '../setup/runtimes.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

/** Nothing happens to an agent unless a test wants it to. */
const CALM = {
  ...{ PAUSE_TIMEOUT: '0', ARCHIVE_TIMEOUT: '0', RETENTION_TIMEOUT: '0' },
  ...{ REAPER_SCHEDULE: '* * * * * *', EXPIRY_WARNING: '1' },
};

describe.each(RUNTIMES)('an agent in the $runtime runtime', ({ runtime }) => {
  const agent = { agent_id: 'a' };
  const status = (client: Connection) => call(client, 'get_agent_status', agent);
  let target: TestServer;
  let client: Connection;

  beforeAll(async () => {
    target = await startTestServer({ runtime, script: answerAnything, environment: CALM });
  });
  afterAll(() => target?.[Symbol.asyncDispose]());
  beforeEach(() => target.model.setScript(answerAnything));
  afterEach(() => client[Symbol.asyncDispose]());

  /** Goes on with the same agent on a server with these settings. */
  const restart = async (settings: Record<string, string>) => {
    await client?.[Symbol.asyncDispose]();
    await target.restart(settings);
    client = await connect(target);
  };

  test('that was paused goes on with the next call, in the same container', async () => {
    await restart({ PAUSE_TIMEOUT: '1' });
    const first = await call(client, 'plan', { task: 'Remember RED', ...agent });
    await untilStatus(client, 'paused');
    const paused = await sessionOf(client);
    expect(paused.stops_in_seconds).toBeGreaterThan(3000);
    const second = await call(client, 'plan', { task: 'Go on', ...agent });
    expect(second.session_id).toBe(first.session_id);
    expect((await sessionOf(client)).container_id).toBe(paused.container_id);
    expect(JSON.stringify(target.model.requests.at(-1)?.body)).toContain('Remember RED');
  });

  test('that is idle is paused, stopped and archived, and wakes as it was', async () => {
    await restart({ PAUSE_TIMEOUT: '1', SESSION_TIMEOUT: '4', ARCHIVE_TIMEOUT: '7' });
    target.model.setScript(runsOnce('echo 1 >> archived.txt'));
    const first = await call(client, 'implement', { task: 'Count', ...agent });
    for (const each of ['paused', 'stopped', 'archived']) await untilStatus(client, each);
    expect((await sessionOf(client)).container_id).toBeNull();
    const second = await call(client, 'implement', { task: 'Count', ...agent });
    expect(second.session_id).toBe(first.session_id);
    expect(second.changes[0].diff).toContain(' 1\n+1\n');
  });

  test('that is pinned keeps awake until it is unpinned, over restarts', async () => {
    await restart({ PAUSE_TIMEOUT: '1', SESSION_TIMEOUT: '30' });
    await call(client, 'plan', { task: 'x', ...agent });
    await untilStatus(client, 'paused');
    expect(await call(client, 'pin', agent)).toEqual({ ...agent, pinned: true });
    expect(await sessionOf(client)).toMatchObject({ status: 'idle', pinned: true });
    await restart({ SESSION_TIMEOUT: '1' });
    await sleep(2500);
    expect(await sessionOf(client)).toMatchObject({
      status: 'idle',
      pinned: true,
      stops_in_seconds: null,
    });
    await call(client, 'unpin', agent);
    await untilStatus(client, 'stopped');
    const nobody = call(client, 'pin', { agent_id: 'nobody' });
    await expect(nobody).rejects.toMatchObject({ code: 'agent_not_found' });
  });

  test('tells in its status what it does, uses and awaits', async () => {
    await restart({ PAUSE_TIMEOUT: '600', RETENTION_TIMEOUT: '9000' });
    const go = Promise.withResolvers<void>();
    target.model.setScript(async (request) => {
      if (request.toolOutputs.length > 0) await go.promise;
      return runsOnce('head -c 3000000 /dev/urandom > big')(request);
    });
    const working = call(client, 'implement', { task: 'Fill', ...agent });
    await expect.poll(() => client.progress.join(), { interval: 100 }).toContain('head -c');
    expect(await status(client)).toMatchObject({
      ...agent,
      status: 'busy',
      current_turn: { tool: 'implement', state: 'running' },
      calls_waiting: 1,
      seconds_until: { paused: null, stopped: null, archived: null, removed: null },
    });
    go.resolve();
    const { session_id } = await working;
    const idle = await status(client);
    expect(idle).toMatchObject({ session_id, status: 'idle', pinned: false, current_turn: null });
    expect(idle.cpu_percent).toBeGreaterThanOrEqual(0);
    expect(idle.memory_bytes).toBeGreaterThan(10_000_000);
    expect(idle.pids).toBeGreaterThan(2);
    expect(idle.workspace_bytes).toBeGreaterThan(2_900_000);
    expect(idle.home_bytes).toBeGreaterThan(1000);
    expect(idle.seconds_until.paused).toBeGreaterThan(550);
    expect(idle.seconds_until).toMatchObject({ archived: null });
    expect(idle.memory_limit_bytes).toBe(runtime === 'docker' ? 2048 * 1024 * 1024 : null);

    const { agents, total } = await call(client, 'list_active_agents');
    expect(total).toBe(1);
    expect(agents[0]).toMatchObject({ ...agent, status: 'idle', calls_waiting: 0 });
    await call(client, 'cleanup_inactive_agents');
    expect(await call(client, 'list_active_agents')).toEqual({ agents: [], total: 0 });
    expect(await status(client)).toMatchObject({
      status: 'stopped',
      cpu_percent: null,
      memory_bytes: null,
      workspace_bytes: null,
      seconds_until: { stopped: null, removed: expect.any(Number) },
    });
  });

  test('is removed by retention, and the next call begins anew', async () => {
    await restart({ RETENTION_TIMEOUT: '2' });
    target.model.setScript(runsOnce('echo 1 >> removed.txt'));
    const first = await call(client, 'implement', { task: 'Count', ...agent });
    const total = async () => (await call(client, 'list_sessions')).total;
    await expect.poll(total, { interval: 200 }).toBe(0);
    await restart({});
    const second = await call(client, 'implement', { task: 'Count', ...agent });
    expect(second.session_id).not.toBe(first.session_id);
    expect(second.changes).toMatchObject([{ file: 'removed.txt', action: 'create' }]);
  });
});

describe.each(CHEAPEST)('agents in the $runtime runtime', ({ runtime }) => {
  const agent = { agent_id: 'a' };
  const start = (environment: Record<string, string>, script: Script) =>
    startTestServer({ runtime, script, environment: { ...CALM, ...environment } });

  test('that work or have calls waiting are left alone', async () => {
    const eager = { PAUSE_TIMEOUT: '1', SESSION_TIMEOUT: '1', RETENTION_TIMEOUT: '1' };
    await using target = await start(eager, async ({ schema }) => {
      await sleep(2500);
      return json(fillSchema(schema));
    });
    await using client = await connect(target);
    const calls = ['one', 'two'].map((task) => call(client, 'plan', { task, ...agent }));
    const ids = (await Promise.all(calls)).map(({ session_id }) => session_id);
    expect(new Set(ids).size).toBe(1);
  });

  test('are taken by a clean-up where they are idle, and it tells before if asked', async () => {
    const end = Promise.withResolvers<void>();
    await using target = await start({}, async ({ prompt, schema }) => {
      if (prompt.includes('Be slow')) await end.promise;
      return json(fillSchema(schema));
    });
    await using client = await connect(target);
    await call(client, 'plan', { task: 'x', ...agent });
    const working = call(client, 'plan', { task: 'Be slow', agent_id: 'busy' });
    await expect.poll(async () => (await sessionOf(client, 'busy')).status).toBe('busy');

    const outcomes = async (args: Record<string, unknown>) => {
      const { agents } = await call(client, 'cleanup_inactive_agents', args);
      return agents.map((each: Record<string, string>) => [each.agent_id, each.outcome]);
    };
    await call(client, 'pin', agent);
    expect(await outcomes({})).toEqual([]);
    await call(client, 'unpin', agent);
    expect(await outcomes({ older_than_seconds: 900 })).toEqual([]);
    expect(await outcomes({ dry_run: true })).toEqual([['a', 'would_stop']]);
    expect((await sessionOf(client)).status).toBe('idle');
    expect(await outcomes({})).toEqual([['a', 'stopped']]);
    expect((await sessionOf(client)).status).toBe('stopped');
    await expect(outcomes({ remove: true })).rejects.toMatchObject({ code: 'invalid_input' });
    const removal = { remove: true, older_than_seconds: 0 };
    expect(await outcomes({ ...removal, dry_run: true })).toEqual([['a', 'would_remove']]);
    const { sessions, total } = await call(client, 'list_sessions', { limit: 1 });
    expect([sessions.length, total]).toEqual([1, 2]);
    expect(await outcomes(removal)).toEqual([['a', 'removed']]);
    end.resolve();
    await working;
    expect(await call(client, 'list_sessions')).toMatchObject({ sessions: [{ agent_id: 'busy' }] });
  });
});

async function sessionOf(client: Connection, agentId = 'a') {
  const { sessions } = await call(client, 'list_sessions', { agent_id: agentId });
  return sessions[0];
}

async function untilStatus(client: Connection, status: string): Promise<void> {
  await expect.poll(async () => (await sessionOf(client)).status, { interval: 100 }).toBe(status);
}
