import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import { answerAnything, runsOnce, type Script } from '../fakes/stand-in-model/script.ts';
import { json, shell, silence } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { createWorld, kill, submitted, waited } from './main-process.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

describe.each(CHEAPEST)('a server with little room, in the $runtime runtime', ({ runtime }) => {
  const agent = { agent_id: 'a' };
  let target: TestServer;
  let client: Connection;
  beforeAll(async () => {
    const environment = {
      ...{ MAX_QUEUED_TURNS: '1', MAX_CONCURRENT_SESSIONS: '1' },
      ...{ TOOL_DEFAULT_TIMEOUT: '2', MAX_DIFF_TOTAL_BYTES: '2000' },
    };
    target = await startTestServer({ runtime, script: answerAnything, environment });
    client = await connect(target);
    // A slow machine takes longer than the default of this server to begin an agent.
    await call(client, 'plan', { task: 'x', ...agent, timeout_seconds: 60 });
  });
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await target?.[Symbol.asyncDispose]();
  });

  const submit = async (): Promise<string> => {
    const args = { task: 'x', ...agent, wait: false, timeout_seconds: 600 };
    return (await call(client, 'plan', args)).turn_id;
  };
  const cancel = (turn_id: string) => call(client, 'cancel_turn', { turn_id });

  test('says when to come back where its agent and its places are taken, and a call that is given up leaves its place', async () => {
    target.model.setScript(silence);
    const running = await submit();
    const first = await submit();
    await expectRefusal(target, client, agent, ['queue_full', 429, 5]);
    await cancel(first);
    const second = await submit();
    await expectRefusal(target, client, agent, ['queue_full', 429, 5]);
    expect(await call(client, 'get_turn', { turn_id: second })).toMatchObject({ state: 'queued' });
    await expectRefusal(target, client, { agent_id: 'b' }, ['too_many_sessions', 503, 10]);
    for (const turn_id of [second, running]) await cancel(turn_id);
  });

  test('says so where as many calls wait as may in all', async () => {
    target.model.setScript(silence);
    await client[Symbol.asyncDispose]();
    await target.restart({ MAX_QUEUED_TURNS: '2', MAX_QUEUED_TURNS_TOTAL: '1' });
    client = await connect(target);
    const turns = [await submit(), await submit()];
    await expectRefusal(target, client, agent, ['server_queue_full', 503, 5]);
    for (const turn_id of turns.toReversed()) await cancel(turn_id);
  });

  test('ends a call that names no time-out after that of the settings', async () => {
    target.model.setScript(silence);
    const failing = call(client, 'plan', { task: 'x', ...agent });
    await expect(failing).rejects.toMatchObject({
      code: 'turn_timeout',
      message: expect.stringContaining('within 2 s'),
    });
  });

  test('answers with a result that has an end, however many files changed', async () => {
    target.model.setScript(runsOnce('mkdir d; for i in $(seq 1200); do echo $i > d/$i; done'));
    const args = { task: 'x', ...agent, timeout_seconds: 60 };
    const { changes, warnings } = await call(client, 'implement', args);
    expect(changes).toHaveLength(1000);
    expect(warnings).toEqual(['200 more files changed and are not listed.']);
    const diffs: string[] = changes.map(({ diff }: { diff: string }) => diff);
    const whole = diffs.filter((diff) => diff.startsWith('diff --git'));
    expect(whole.length).toBeGreaterThan(5);
    expect(whole.join('').length).toBeLessThanOrEqual(2000);
    expect(diffs.at(-1)).toContain('diff omitted');
  });
});

describe.each(CHEAPEST)('a server for one agent, in the $runtime runtime', ({ runtime }) => {
  const agent = { agent_id: 'a' };
  let target: TestServer;
  let client: Connection;
  beforeAll(async () => {
    const environment = {
      ...{ MAX_AGENTS: '1', CONTAINER_DISK_LIMIT: '64m', PAUSE_TIMEOUT: '0' },
      ...{ TURN_RETENTION: '1', REAPER_SCHEDULE: '* * * * * *' },
    };
    target = await startTestServer({ runtime, script: fills, environment });
    client = await connect(target);
  });
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await target?.[Symbol.asyncDispose]();
  });

  const remove = () =>
    call(client, 'cleanup_inactive_agents', { remove: true, older_than_seconds: 0 });

  test('forgets turns after TURN_RETENTION, and their agent not', async () => {
    const { turn_id, session_id } = await call(client, 'plan', { task: 'x', ...agent });
    await expect
      .poll(() => call(client, 'get_turn', { turn_id }).catch(({ code }) => code))
      .toBe('turn_not_found');
    const { turn_id: next, ...again } = await call(client, 'plan', { task: 'y', ...agent });
    expect(next).not.toBe(turn_id);
    expect(again.session_id).toBe(session_id);
  });

  test('lets an agent write no more whose files take too much', async () => {
    await call(client, 'implement', { task: 'Fill the disk', ...agent });
    const again = () => post(target, 'implement', { task: 'x', ...agent });
    await expect.poll(async () => (await again()).status).toBe(507);
    const limit = 64 * 1024 * 1024;
    expect(await (await again()).json()).toMatchObject({
      error: { code: 'workspace_full', limit },
    });
    const fixing = call(client, 'fix', { symptoms: ['x'], ...agent });
    await expect(fixing).rejects.toMatchObject({ code: 'workspace_full' });

    const { notes } = await call(client, 'plan', { task: 'x', ...agent });
    expect(notes).toEqual([
      expect.stringMatching(/^The files of agent a have \d+ of 67108864 bytes/),
    ]);
    const status = await call(client, 'get_agent_status', agent);
    expect(status.disk_limit_bytes).toBe(limit);
    expect(status.workspace_bytes).toBeGreaterThan(limit);
  });

  test('refuses another while that one is there, which works on', async () => {
    const another = () => call(client, 'implement', { task: 'x', agent_id: 'b' });
    await call(client, 'plan', { task: 'x', ...agent });
    await expect(another()).rejects.toMatchObject({ code: 'too_many_agents' });
    await expect(call(client, 'plan', { task: 'x', ...agent })).resolves.toBeTruthy();
    await remove();
    await expect(another()).resolves.toBeTruthy();
    await remove();
  });
});

test('a turn that outlives its server and its time gets a minute to be found ended', async () => {
  await using world = await createWorld('process');
  const { model } = world;
  const first = await world.start();
  // A slow machine takes longer than the time of the turn to begin an agent.
  await waited(first, await submitted(first, 'plan', { task: 'x', agent_id: 'a' }));
  model.setScript(runsOnce('sleep 6'));
  const asked = model.requests.length;
  const work = { task: 'x', agent_id: 'a', timeout_seconds: 5 };
  const turnId = await submitted(first, 'implement', work);
  await expect.poll(() => model.requests.length).toBe(asked + 1);
  await kill(first, 'SIGKILL');
  await sleep(work.timeout_seconds * 1000);
  const ended = await waited(await world.start(), turnId);
  expect(ended).toMatchObject({ state: 'completed', error: null });
});

/** Writes files that no compression makes smaller, and that no snapshot holds. */
const fills: Script = ({ prompt, toolOutputs, schema }) => {
  if (!prompt.includes('Fill the disk') || toolOutputs.length > 0) return json(fillSchema(schema));
  const write = (name: string) => `head -c 40M /dev/urandom > ${name}.bin`;
  return shell(`echo '*.bin' > .gitignore; ${write('one')}; ${write('two')}`);
};

/** A plan is refused over MCP and over HTTP, with the same code and the same time. */
async function expectRefusal(
  target: TestServer,
  client: Connection,
  agent: { agent_id: string },
  [code, status, seconds]: readonly [code: string, status: number, seconds: number],
): Promise<void> {
  await expect(call(client, 'plan', { task: 'x', ...agent })).rejects.toMatchObject({
    code,
    message: expect.stringMatching(
      new RegExp(`Try again in ${seconds} s\\..*"retry_after_seconds": ${seconds}\\b`, 's'),
    ),
  });
  const response = await post(target, 'plan', { task: 'x', ...agent });
  expect(response.status).toBe(status);
  expect(response.headers.get('retry-after')).toBe(String(seconds));
  expect(await response.json()).toMatchObject({ error: { code, retry_after_seconds: seconds } });
}

function post({ url }: TestServer, tool: string, args: object): Promise<Response> {
  return fetch(`${url}/tools/${tool}`, {
    method: 'POST',
    body: JSON.stringify(args),
    headers: { 'content-type': 'application/json' },
  });
}
