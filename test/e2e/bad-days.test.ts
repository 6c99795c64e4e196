import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { answerAnything, runsOnce } from '../fakes/stand-in-model/script.ts';
import { failed, garbage, http, type Step, silence } from '../fakes/stand-in-model/step.ts';
import { openDoor } from './faults/door.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

const engine = inject('engine');
const withEngine = describe.runIf(engine.available);
const CANCELLED = { state: 'interrupted', error_code: 'cancelled' };

const docker = (...args: string[]) => execFileSync('docker', args, { encoding: 'utf8' }).trim();

describe('a model that fails is told with its own code', () => {
  let target: TestServer;
  let client: Connection;
  beforeAll(async () => {
    target = await startTestServer({
      runtime: 'process',
      script: answerAnything,
      environment: { MODEL_MAX_RETRIES: '1', MODEL_MAX_RETRY_WAIT: '1' },
    });
    client = await connect(target);
    // A slow machine takes longer than the time-out below to begin an agent.
    await plan();
  });
  beforeEach(() => target.model.setScript(answerAnything));
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await target?.[Symbol.asyncDispose]();
  });

  const plan = (more: object = {}) => call(client, 'plan', { task: 'x', agent_id: 'a', ...more });

  test.each<[string, Step, string]>([
    [
      'a wrong key',
      http(401, { error: { message: 'Incorrect key', code: 'invalid_api_key' } }),
      'model_unauthorized',
    ],
    [
      'a used-up quota',
      http(429, { error: { message: 'Pay', code: 'insufficient_quota' } }),
      'model_quota_exceeded',
    ],
    ['too long a context', failed('context_length_exceeded'), 'context_too_long'],
    ['garbage', garbage(), 'model_unavailable'],
  ])('%s, and the agent works on', async (_name, step, code) => {
    target.model.setScript(() => step);
    await expect(plan()).rejects.toMatchObject({ code });
    target.model.setScript(answerAnything);
    await expect(plan()).resolves.toBeTruthy();
  });

  test('one that never answers ends with the time-out, and the agent works on', async () => {
    target.model.setScript(silence);
    await expect(plan({ timeout_seconds: 2 })).rejects.toMatchObject({ code: 'turn_timeout' });
    target.model.setScript(answerAnything);
    await expect(plan()).resolves.toBeTruthy();
  });

  test('a short outage is waited out', async () => {
    let asked = 0;
    target.model.setScript((request) => (++asked <= 2 ? http(503) : answerAnything(request)));
    await expect(plan()).resolves.toBeTruthy();
    expect(asked).toBe(3);
  });
});

test('without a key for the model, calls and health say so', async () => {
  await using target = await startTestServer({
    runtime: 'process',
    script: answerAnything,
    environment: { OPENAI_API_KEY: '' },
  });
  await using client = await connect(target);
  await expect(call(client, 'plan', { task: 'x' })).rejects.toMatchObject({
    code: 'credentials_missing',
  });
  const health = await fetch(`${target.url}/health`);
  expect(health.status).toBe(503);
  expect(await health.json()).toMatchObject({ status: 'unhealthy', ready: false });
});

describe('wrong input is refused with the field and the problem', () => {
  let target: TestServer;
  let client: Connection;
  beforeAll(async () => {
    target = await startTestServer({ runtime: 'process', script: answerAnything });
    client = await connect(target);
  });
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await target?.[Symbol.asyncDispose]();
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['plan', {}, 'task'],
    ['plan', { task: '' }, 'task'],
    ['plan', { task: '   ' }, 'task'],
    ['plan', { task: 7 }, 'task'],
    ['plan', { task: 'x', colour: 'red' }, 'colour'],
    ['plan', { task: 'x', agent_id: '../etc' }, 'agent_id'],
    ['plan', { task: 'x', agent_id: 'a..b' }, 'agent_id'],
    ['plan', { task: 'x', agent_id: 'a/b' }, 'agent_id'],
    ['plan', { task: 'x', timeout_seconds: 0 }, 'timeout_seconds'],
    ['plan', { task: 'x', reasoning_effort: 'banana' }, 'reasoning_effort'],
    ['implement', { task: 'x', target_files: 'a.ts' }, 'target_files'],
    ['review', { content: '' }, 'content'],
    ['fix', {}, 'symptoms'],
    ['list_sessions', { agent_id: 'nobody' }, 'nobody'],
  ])('%s %o', async (tool, args, mentioned) => {
    const error = await call(client, tool, args).catch((reason) => reason);
    expect(['invalid_input', 'agent_not_found']).toContain(error.code);
    expect(error.message).toContain(mentioned);
    expect(target.model.requests).toEqual([]);
  });

  test('more text than a prompt may have', async () => {
    const huge = call(client, 'plan', { task: 'x'.repeat(1024 * 1024 + 1) });
    await expect(huge).rejects.toMatchObject({ code: 'prompt_too_large' });
    expect(target.model.requests).toEqual([]);
  });
});

withEngine('an agent in a container', () => {
  const agent = { agent_id: 'a' };
  let target: TestServer;
  let client: Connection;
  beforeAll(async () => {
    target = await startTestServer({ runtime: 'docker', script: answerAnything });
  });
  afterAll(() => target?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    // Of its own, as it tells the progress of all its calls.
    client = await connect(target);
  });
  afterEach(() => client[Symbol.asyncDispose]());

  const runs = (command: string) => target.model.setScript(runsOnce(command));
  const outputs = () => target.model.requests.at(-1)?.seen.toolOutputs.join() ?? '';

  test('is made again with its files and conversation when it is removed by hand', async () => {
    runs('echo 1 > one.txt');
    const first = await call(client, 'implement', { task: 'x', ...agent });
    docker('rm', '-f', await containerOf(client, 'a'));
    runs('cat one.txt');
    const second = await call(client, 'plan', { task: 'x', ...agent });
    expect(second.session_id).toBe(first.session_id);
    expect(outputs()).toContain('\n1\n');
  });

  test('has no process of a cancelled call any more, and works on', async () => {
    runs('setsid -f sleep 4321 >/dev/null 2>&1; sleep 1234');
    const controller = new AbortController();
    const { signal } = controller;
    const running = call(client, 'implement', { task: 'x', ...agent }, { signal });
    running.catch(() => undefined);
    await expect.poll(() => client.progress.join()).toContain('sleep 1234');
    controller.abort('enough');
    await expect(running).rejects.toThrow();
    await expect.poll(() => lastTurn(client)).toMatchObject(CANCELLED);
    runs('cat /proc/[0-9]*/cmdline | tr "\\0" " "');
    await call(client, 'plan', { task: 'x', ...agent });
    expect(outputs()).toContain('app-server');
    expect(outputs()).not.toMatch(/sleep (1234|4321)/);
  });

  test('ends a call alone that is cancelled while the files before it are recorded', async () => {
    // A file that changes all the time makes every snapshot read it again.
    const touches = 'while [ -e big ]; do touch -c big; sleep 0.1; done';
    runs(`truncate -s 100m big; setsid -f sh -c "${touches}" >&-`);
    await call(client, 'implement', { task: 'x', ...agent });
    const controller = new AbortController();
    target.model.setScript((request) => {
      controller.abort('enough');
      return answerAnything(request);
    });
    const { signal } = controller;
    await expect(call(client, 'implement', { task: 'x', ...agent }, { signal })).rejects.toThrow();
    await expect.poll(() => lastTurn(client)).toMatchObject(CANCELLED);
    // A failure that nobody waits for ends the process, here that of the tests.
    runs('rm big');
    await expect(call(client, 'implement', { task: 'x', ...agent })).resolves.toBeTruthy();
  });
});

withEngine('in containers', () => {
  test('one that runs out of memory says so', async () => {
    await using target = await startTestServer({
      runtime: 'docker',
      // Many small processes: the largest, which the kernel kills, is Codex itself.
      script: runsOnce('for i in $(seq 80); do head -c 3000000 /dev/zero | tail & done; sleep 30'),
      environment: { CONTAINER_MEMORY_LIMIT: '64m' },
    });
    await using client = await connect(target);
    const running = call(client, 'implement', { task: 'x', timeout_seconds: 40 });
    await expect(running).rejects.toMatchObject({ code: 'out_of_memory' });
  });

  test('an engine that is down at the start is told by health and by calls', async () => {
    await using target = await startTestServer({
      runtime: 'docker',
      script: answerAnything,
      environment: { DOCKER_HOST: 'tcp://127.0.0.1:1' },
    });
    await using client = await connect(target);
    await expect(call(client, 'plan', { task: 'x' })).rejects.toMatchObject({
      code: 'engine_unreachable',
    });
    const health = await fetch(`${target.url}/health`);
    expect(health.status).toBe(503);
    expect(JSON.stringify(await health.json())).toContain('DOCKER_HOST');
  });

  test('an engine that has agents is waited for where any runtime would do, over a restart too', async () => {
    await using door = await openDoor('/var/run/docker.sock');
    await using target = await startTestServer({
      runtime: 'docker',
      script: answerAnything,
      environment: { AGENT_RUNTIME: 'auto', DOCKER_HOST: `tcp://127.0.0.1:${door.port}` },
    });
    const plan = async () => {
      await using client = await connect(target);
      return await call(client, 'plan', { task: 'x', agent_id: 'patient' });
    };
    const first = await plan();
    await door.shut();
    await expect(plan()).rejects.toMatchObject({ code: 'engine_unreachable' });
    await target.restart();
    await expect(plan()).rejects.toMatchObject({ code: 'engine_unreachable' });
    await door.open();
    expect((await plan()).session_id).toBe(first.session_id);
  });

  test('a base image that cannot be had fails the build with its reason', async () => {
    await using target = await startTestServer({
      runtime: 'docker',
      script: answerAnything,
      environment: { AGENT_BASE_IMAGE: 'localhost/no/such-image:1' },
    });
    await using client = await connect(target);
    const failing = call(client, 'plan', { task: 'x' });
    await expect(failing).rejects.toMatchObject({
      code: 'image_build_failed',
      message: expect.stringContaining('no/such-image'),
    });
    expect((await fetch(`${target.url}/health`)).status).toBe(503);
  });
});

async function containerOf(client: Connection, agentId: string): Promise<string> {
  const { sessions } = await call(client, 'list_sessions', { agent_id: agentId });
  return sessions[0].container_id;
}

async function lastTurn(client: Connection): Promise<unknown> {
  const { last_turns } = await call(client, 'get_my_session_info', { agent_id: 'a' });
  return last_turns[0];
}
