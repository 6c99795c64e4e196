import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { RuntimeKind } from '../../src/runtime/container-runtime.ts';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import { answerAnything, runsOnce, type Script } from '../fakes/stand-in-model/script.ts';
import { json } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST, RUNTIMES } from '../setup/runtimes.ts';
import { type Connection, call, connect, startTestServer } from './test-server.ts';

const EVERY_SECOND = { REAPER_SCHEDULE: '* * * * * *' };
const QUICK_WARNING = { EXPIRY_WARNING: '1' };
const NEVER = { PAUSE_TIMEOUT: '0', ARCHIVE_TIMEOUT: '0', RETENTION_TIMEOUT: '0' };

describe.each(RUNTIMES)('in the $runtime runtime', ({ runtime }) => {
  const server = serverIn(runtime);

  test('an idle agent is paused, stopped and archived, and wakes as it was', async () => {
    const steps = { PAUSE_TIMEOUT: '1', SESSION_TIMEOUT: '4', ARCHIVE_TIMEOUT: '7' };
    await using target = await server(steps, runsOnce('echo 1 >> count.txt'));
    await using client = await connect(target);
    const first = await call(client, 'implement', { task: 'Count', agent_id: 'sleeper' });
    await untilStatus(client, 'sleeper', 'paused');
    const paused = await sessionOf(client, 'sleeper');
    const second = await call(client, 'plan', { task: 'Go on', agent_id: 'sleeper' });
    expect(second.session_id).toBe(first.session_id);
    expect((await sessionOf(client, 'sleeper')).container_id).toBe(paused.container_id);
    for (const status of ['paused', 'stopped', 'archived']) {
      await untilStatus(client, 'sleeper', status);
    }
    expect((await sessionOf(client, 'sleeper')).container_id).toBeNull();
    const third = await call(client, 'implement', { task: 'Count', agent_id: 'sleeper' });
    expect(third.session_id).toBe(first.session_id);
    expect(third.changes[0].diff).toContain(' 1\n+1\n');
  });

  test('the status of an agent tells what it does, uses and awaits', async () => {
    await using target = await server(
      { PAUSE_TIMEOUT: '600', RETENTION_TIMEOUT: '9000' },
      runsOnce('head -c 3000000 /dev/urandom > big; sleep 4'),
    );
    await using client = await connect(target);
    const agent = { agent_id: 'watched' };
    const working = call(client, 'implement', { task: 'Fill', ...agent });
    await expect.poll(() => client.progress.join(), { interval: 100 }).toContain('head -c');
    const busy = await call(client, 'get_agent_status', agent);
    expect(busy).toMatchObject({
      ...agent,
      status: 'busy',
      current_turn: { tool: 'implement', state: 'running' },
      calls_waiting: 1,
      seconds_until: { paused: null, stopped: null, archived: null, removed: null },
    });
    const { session_id } = await working;
    const idle = await call(client, 'get_agent_status', agent);
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
    expect(await call(client, 'get_agent_status', agent)).toMatchObject({
      status: 'stopped',
      cpu_percent: null,
      memory_bytes: null,
      workspace_bytes: null,
      seconds_until: { stopped: null, removed: expect.any(Number) },
    });
  });
});

describe.each(CHEAPEST)('whatever the runtime, such as $runtime,', ({ runtime }) => {
  const server = serverIn(runtime);

  test('an agent is removed by retention, and the next call begins anew', async () => {
    await using target = await server({ RETENTION_TIMEOUT: '2' }, runsOnce('echo 1 >> count.txt'));
    await using client = await connect(target);
    const first = await call(client, 'implement', { task: 'Count', agent_id: 'gone' });
    await expect
      .poll(async () => (await call(client, 'list_sessions')).total, { interval: 200 })
      .toBe(0);
    const second = await call(client, 'implement', { task: 'Count', agent_id: 'gone' });
    expect(second.session_id).not.toBe(first.session_id);
    expect(second.changes[0].action).toBe('create');
  });

  test('an agent that works or has calls waiting is left alone', async () => {
    const eager = { PAUSE_TIMEOUT: '1', SESSION_TIMEOUT: '1', RETENTION_TIMEOUT: '1' };
    await using target = await server(eager, async ({ schema }) => {
      await sleep(2500);
      return json(fillSchema(schema));
    });
    await using client = await connect(target);
    const calls = ['one', 'two', 'three'].map((task) =>
      call(client, 'plan', { task, agent_id: 'worker' }),
    );
    const ids = (await Promise.all(calls)).map(({ session_id }) => session_id);
    expect(new Set(ids).size).toBe(1);
  });

  test('a pinned agent keeps awake until it is unpinned, over restarts', async () => {
    await using target = await server({ PAUSE_TIMEOUT: '1', SESSION_TIMEOUT: '30' });
    const pinned = { agent_id: 'pinned' };
    await using before = await connect(target);
    await call(before, 'plan', { task: 'x', ...pinned });
    await untilStatus(before, 'pinned', 'paused');
    expect(await call(before, 'pin', pinned)).toEqual({ ...pinned, pinned: true });
    expect(await sessionOf(before, 'pinned')).toMatchObject({ status: 'idle', pinned: true });
    await before.client.close();
    await target.restart({ SESSION_TIMEOUT: '2' });
    await using after = await connect(target);
    await sleep(3500);
    expect(await sessionOf(after, 'pinned')).toMatchObject({
      status: 'idle',
      pinned: true,
      stops_in_seconds: null,
    });
    await call(after, 'unpin', pinned);
    await untilStatus(after, 'pinned', 'stopped');
    await expect(call(after, 'pin', { agent_id: 'nobody' })).rejects.toMatchObject({
      code: 'agent_not_found',
    });
  });

  test('a clean-up takes what is idle, and tells before if asked', async () => {
    const end = Promise.withResolvers<void>();
    await using target = await server({}, async ({ prompt, schema }) => {
      if (prompt.includes('Be slow')) await end.promise;
      return json(fillSchema(schema));
    });
    await using client = await connect(target);
    for (const agent_id of ['idle', 'pinned']) await call(client, 'plan', { task: 'x', agent_id });
    await call(client, 'pin', { agent_id: 'pinned' });
    const working = call(client, 'plan', { task: 'Be slow', agent_id: 'busy' });
    await expect.poll(async () => (await sessionOf(client, 'busy')).status).toBe('busy');

    const outcomes = async (args: Record<string, unknown>) => {
      const { agents } = await call(client, 'cleanup_inactive_agents', args);
      return agents.map((each: Record<string, string>) => [each.agent_id, each.outcome]);
    };
    expect(await outcomes({ older_than_seconds: 900 })).toEqual([]);
    expect(await outcomes({ dry_run: true })).toEqual([['idle', 'would_stop']]);
    expect((await sessionOf(client, 'idle')).status).toBe('idle');
    expect(await outcomes({})).toEqual([['idle', 'stopped']]);
    expect((await sessionOf(client, 'idle')).status).toBe('stopped');
    await expect(outcomes({ remove: true })).rejects.toMatchObject({ code: 'invalid_input' });
    expect(await outcomes({ remove: true, older_than_seconds: 0, dry_run: true })).toEqual([
      ['idle', 'would_remove'],
    ]);
    expect(await outcomes({ remove: true, older_than_seconds: 0 })).toEqual([['idle', 'removed']]);
    end.resolve();
    await working;
    const { sessions: one, total } = await call(client, 'list_sessions', { limit: 1 });
    expect([one.length, total]).toEqual([1, 2]);
    const { sessions } = await call(client, 'list_sessions');
    expect(sessions.map((each: { agent_id: string }) => each.agent_id).sort()).toEqual([
      'busy',
      'pinned',
    ]);
  });
});

function serverIn(runtime: RuntimeKind) {
  return (environment: Record<string, string>, script: Script = answerAnything) =>
    startTestServer({
      runtime,
      script,
      environment: { ...EVERY_SECOND, ...QUICK_WARNING, ...NEVER, ...environment },
    });
}

async function sessionOf(client: Connection, agentId: string) {
  const { sessions } = await call(client, 'list_sessions', { agent_id: agentId });
  return sessions[0];
}

async function untilStatus(client: Connection, agentId: string, status: string): Promise<void> {
  await expect
    .poll(async () => (await sessionOf(client, agentId)).status, { timeout: 90_000, interval: 100 })
    .toBe(status);
}
