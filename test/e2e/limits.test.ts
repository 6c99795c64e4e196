import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import { answerAnything, runsOnce, type Script } from '../fakes/stand-in-model/script.ts';
import { json, shell, silence } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { createWorld, kill, submitted, waited } from './main-process.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

const engine = inject('engine');

const server = (environment: Record<string, string>, script: Script = silence) =>
  startTestServer({ runtime: 'process', script, environment });

describe('a full queue says when to come back', () => {
  test('that of one agent, and a call that is given up leaves its place to others', async () => {
    await using target = await server({ MAX_QUEUED_TURNS: '1' });
    await using client = await connect(target);
    const submit = (task: string) =>
      call(client, 'plan', { task, agent_id: 'a', wait: false, timeout_seconds: 600 });
    await submit('runs');
    const { turn_id } = await submit('waits');
    await expectRefusal(target, client, { agent_id: 'a' }, ['queue_full', 429, 5]);
    await call(client, 'cancel_turn', { turn_id });
    const another = await submit('takes its place');
    await expectRefusal(target, client, { agent_id: 'a' }, ['queue_full', 429, 5]);
    expect(await call(client, 'get_turn', { turn_id: another.turn_id })).toMatchObject({
      state: 'queued',
    });
  });

  test('that of the server, which an agent that does not work need not join', async () => {
    await using target = await server({ MAX_QUEUED_TURNS_TOTAL: '1' });
    await using client = await connect(target);
    const submit = (agent_id: string) => call(client, 'plan', { task: 'x', agent_id, wait: false });
    for (const agent of ['a', 'a', 'b']) await submit(agent);
    const refusal = ['server_queue_full', 503, 5] as const;
    await expectRefusal(target, client, { agent_id: 'b' }, refusal);
    await expectRefusal(target, client, { agent_id: 'a' }, refusal);
    await expect(submit('c')).resolves.toBeTruthy();
    const { sessions, total } = await call(client, 'list_sessions', { limit: 2 });
    expect([sessions.length, total]).toEqual([2, 3]);
  });

  test('that of the places for agents', async () => {
    await using target = await server({ MAX_CONCURRENT_SESSIONS: '1' });
    await using client = await connect(target);
    await call(client, 'plan', { task: 'x', agent_id: 'a', wait: false });
    await expect.poll(() => target.model.requests.length).toBe(1);
    await expectRefusal(target, client, { agent_id: 'b' }, ['too_many_sessions', 503, 10]);
  });
});

test('there are no more agents than may be, and those that are there work on', async () => {
  await using target = await server({ MAX_AGENTS: '1' }, answerAnything);
  await using client = await connect(target);
  await call(client, 'plan', { task: 'x', agent_id: 'first' });
  const second = call(client, 'plan', { task: 'x', agent_id: 'second' });
  await expect(second).rejects.toMatchObject({ code: 'too_many_agents' });
  await expect(call(client, 'plan', { task: 'x', agent_id: 'first' })).resolves.toBeTruthy();
  await call(client, 'cleanup_inactive_agents', { remove: true, older_than_seconds: 0 });
  await expect(call(client, 'plan', { task: 'x', agent_id: 'second' })).resolves.toBeTruthy();
});

test('a call that names no time-out has that of the settings', async () => {
  await using target = await server({ TOOL_DEFAULT_TIMEOUT: '2' }, answerAnything);
  await using client = await connect(target);
  // A slow machine takes longer than that to begin an agent.
  await call(client, 'plan', { task: 'x', timeout_seconds: 60 });
  target.model.setScript(silence);
  const failing = call(client, 'plan', { task: 'x' });
  await expect(failing).rejects.toMatchObject({
    code: 'turn_timeout',
    message: expect.stringContaining('within 2 s'),
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

test('turns are forgotten after TURN_RETENTION, and their agent is not', async () => {
  const eager = { TURN_RETENTION: '1', REAPER_SCHEDULE: '* * * * * *' };
  await using target = await server(eager, answerAnything);
  await using client = await connect(target);
  const { turn_id, session_id } = await call(client, 'plan', { task: 'x', agent_id: 'a' });
  await expect
    .poll(() => call(client, 'get_turn', { turn_id }).catch(({ code }) => code))
    .toBe('turn_not_found');
  const { turn_id: next, ...again } = await call(client, 'plan', { task: 'y', agent_id: 'a' });
  expect(next).not.toBe(turn_id);
  expect(again.session_id).toBe(session_id);
});

describe.each(CHEAPEST)('in the $runtime runtime', ({ runtime }) => {
  test('a result has an end, however many files changed', async () => {
    const many = 'mkdir d; for i in $(seq 1200); do echo $i > d/$i; done';
    await using target = await startTestServer({
      runtime,
      script: runsOnce(many),
      environment: { MAX_DIFF_TOTAL_BYTES: '2000' },
    });
    await using client = await connect(target);
    const { changes, warnings } = await call(client, 'implement', { task: 'x', agent_id: 'a' });
    expect(changes).toHaveLength(1000);
    expect(warnings).toEqual(['200 more files changed and are not listed.']);
    const diffs: string[] = changes.map(({ diff }: { diff: string }) => diff);
    const whole = diffs.filter((diff) => diff.startsWith('diff --git'));
    expect(whole.length).toBeGreaterThan(5);
    expect(whole.join('').length).toBeLessThanOrEqual(2000);
    expect(diffs.at(-1)).toContain('diff omitted');
  });

  test('an agent whose files take too much writes no more', async () => {
    await using target = await startTestServer({
      runtime,
      script: fills,
      environment: { CONTAINER_DISK_LIMIT: '64m', PAUSE_TIMEOUT: '0' },
    });
    await using client = await connect(target);
    const agent = { agent_id: 'a' };
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
    const elsewhere = call(client, 'implement', { task: 'x', agent_id: 'b' });
    await expect(elsewhere).resolves.toBeTruthy();
    const status = await call(client, 'get_agent_status', agent);
    expect(status.disk_limit_bytes).toBe(limit);
    expect(status.workspace_bytes).toBeGreaterThan(limit);
    await call(client, 'cleanup_inactive_agents', { remove: true, older_than_seconds: 0 });
    expect((await again()).status).toBe(200);
  });
});

test.runIf(engine.available)(
  'what a plan undid has an end, and is undone to the last',
  async () => {
    const many = 'mkdir d; for i in $(seq 1200); do echo $i > d/$i; done';
    await using target = await startTestServer({ runtime: 'docker', script: runsOnce(many) });
    await using client = await connect(target);
    const { undone_changes } = await call(client, 'plan', { task: 'x', agent_id: 'a' });
    expect(undone_changes).toHaveLength(1001);
    expect(undone_changes.at(-1)).toBe('… and 200 more');
    target.model.setScript(runsOnce('ls -A | grep -v "^.git$"; echo end'));
    await call(client, 'plan', { task: 'x', agent_id: 'a' });
    expect(target.model.requests.at(-1)?.seen.toolOutputs.join()).toMatch(/\nend\n/);
    expect(target.model.requests.at(-1)?.seen.toolOutputs.join()).not.toContain('\nd\n');
  },
);

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
