import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import { answerAnything, runsOnce } from '../fakes/stand-in-model/script.ts';
import { failed, garbage, http, json, type Step, silence } from '../fakes/stand-in-model/step.ts';
import { openDoor } from './faults/door.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const engine = inject('engine');
const withEngine = describe.runIf(engine.available);

const docker = (...args: string[]) => execFileSync('docker', args, { encoding: 'utf8' }).trim();

let target: TestServer;
beforeAll(async () => {
  target = await startTestServer({
    runtime: 'process',
    script: answerAnything,
    environment: { MODEL_MAX_RETRIES: '1', MODEL_MAX_RETRY_WAIT: '1' },
  });
});
beforeEach(() => target.model.setScript(answerAnything));
afterAll(() => target?.[Symbol.asyncDispose]());

describe('a model that fails is told with its own code, and the agent works on', () => {
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
    // Codex tries again for up to half a minute.
    ['garbage', garbage(), 'model_unavailable'],
  ])('%s', async (_name, step, code) => {
    target.model.setScript(() => step);
    await using client = await connect(target);
    const failing = call(client, 'plan', { task: 'x', agent_id: 'a' });
    await expect(failing).rejects.toMatchObject({ code });
    target.model.setScript(answerAnything);
    await expect(call(client, 'plan', { task: 'x', agent_id: 'a' })).resolves.toBeTruthy();
  });

  test('one that never answers ends with the time-out', async () => {
    await using client = await connect(target);
    await call(client, 'plan', { task: 'x', agent_id: 'a' });
    target.model.setScript(silence);
    const failing = call(client, 'plan', { task: 'x', agent_id: 'a', timeout_seconds: 2 });
    await expect(failing).rejects.toMatchObject({ code: 'turn_timeout' });
    target.model.setScript(answerAnything);
    await expect(call(client, 'plan', { task: 'x', agent_id: 'a' })).resolves.toBeTruthy();
  });

  test('a short outage is waited out', async () => {
    let asked = 0;
    target.model.setScript(({ schema }) => (++asked <= 2 ? http(503) : json(fillSchema(schema))));
    await using client = await connect(target);
    await expect(call(client, 'plan', { task: 'x', agent_id: 'a' })).resolves.toBeTruthy();
  });
});

describe('calls that cannot run answer with what to do', () => {
  test('more text than a prompt may have', async () => {
    const asked = target.model.requests.length;
    await using client = await connect(target);
    const huge = call(client, 'plan', { task: 'x'.repeat(1024 * 1024 + 1) });
    await expect(huge).rejects.toMatchObject({ code: 'prompt_too_large' });
    expect(target.model.requests).toHaveLength(asked);
  });

  test('no key for the model', async () => {
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
});

describe('wrong input is refused with the field and the problem', () => {
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
    const asked = target.model.requests.length;
    await using client = await connect(target);
    const error = await call(client, tool, args).catch((reason) => reason);
    expect(['invalid_input', 'agent_not_found']).toContain(error.code);
    expect(error.message).toContain(mentioned);
    expect(target.model.requests).toHaveLength(asked);
  });
});

describe('clients that do not stay', () => {
  test('a call that is cancelled while the files before it are recorded ends alone', async () => {
    // A file that changes all the time makes every snapshot read it again.
    const grow = 'truncate -s 300m big; setsid -f sh -c "while sleep 0.1; do touch big; done" >&-';
    target.model.setScript(runsOnce(grow));
    await using client = await connect(target);
    const agent = { agent_id: 'hasty' };
    await call(client, 'implement', { task: 'x', ...agent });
    const controller = new AbortController();
    target.model.setScript((request) => {
      controller.abort('enough');
      return answerAnything(request);
    });
    const { signal } = controller;
    await expect(call(client, 'implement', { task: 'x', ...agent }, { signal })).rejects.toThrow();
    await expect
      .poll(() => lastTurn(client, 'hasty'))
      .toMatchObject({ state: 'interrupted', error_code: 'cancelled' });
    // A failure that nobody waits for ends the process, here that of the tests.
    target.model.setScript(answerAnything);
    await expect(call(client, 'plan', { task: 'x', ...agent })).resolves.toBeTruthy();
  });

  test('a client that vanishes does not stop its turn', async () => {
    target.model.setScript(runsOnce('sleep 2; echo done > done.txt'));
    const asked = target.model.requests.length;
    const leaving = await connect(target);
    call(leaving, 'implement', { task: 'x', agent_id: 'alone' }).catch(() => undefined);
    await expect.poll(() => target.model.requests.length, { timeout: 90_000 }).toBe(asked + 1);
    await leaving.client.close();
    await using client = await connect(target);
    await expect
      .poll(() => lastTurn(client, 'alone'), { timeout: 90_000 })
      .toMatchObject({ state: 'completed' });
  });
});

withEngine('in containers', () => {
  let inContainers: TestServer;
  beforeAll(async () => {
    inContainers = await startTestServer({ runtime: 'docker', script: answerAnything });
  });
  afterAll(() => inContainers?.[Symbol.asyncDispose]());

  test('a container that is removed by hand is made again with its files and conversation', async () => {
    const target = inContainers;
    target.model.setScript(runsOnce('echo 1 > one.txt'));
    await using client = await connect(target);
    const first = await call(client, 'implement', { task: 'x', agent_id: 'lost' });
    docker('rm', '-f', await containerOf(client, 'lost'));
    await sleep(500);
    target.model.setScript(runsOnce('cat one.txt'));
    const second = await call(client, 'plan', { task: 'x', agent_id: 'lost' });
    expect(second.session_id).toBe(first.session_id);
    expect(target.model.requests.at(-1)?.seen.toolOutputs.join()).toContain('\n1\n');
  });

  test('a container that runs out of memory says so', async () => {
    await using target = await startTestServer({
      runtime: 'docker',
      // Many small processes: the largest, which the kernel kills, is Codex itself.
      script: runsOnce('for i in $(seq 80); do head -c 3000000 /dev/zero | tail & done; sleep 30'),
      environment: { CONTAINER_MEMORY_LIMIT: '64m' },
    });
    await using client = await connect(target);
    const running = call(client, 'implement', {
      task: 'x',
      agent_id: 'hungry',
      timeout_seconds: 40,
    });
    await expect(running).rejects.toMatchObject({ code: 'out_of_memory' });
  });

  test('a cancelled call leaves no process behind, and the agent works on', async () => {
    const target = inContainers;
    target.model.setScript(runsOnce('setsid -f sleep 4321 >/dev/null 2>&1; sleep 1234'));
    await using client = await connect(target);
    const controller = new AbortController();
    const running = call(
      client,
      'implement',
      { task: 'x', agent_id: 'lost' },
      { signal: controller.signal },
    );
    running.catch(() => undefined);
    await expect.poll(() => client.progress.join(), { timeout: 90_000 }).toContain('sleep 1234');
    controller.abort('enough');
    await expect(running).rejects.toThrow();
    await expect
      .poll(() => lastTurn(client, 'lost'), { timeout: 90_000 })
      .toMatchObject({ state: 'interrupted', error_code: 'cancelled' });
    target.model.setScript(runsOnce('cat /proc/[0-9]*/cmdline | tr "\\0" " "'));
    await call(client, 'plan', { task: 'x', agent_id: 'lost' });
    const processes = target.model.requests.at(-1)?.seen.toolOutputs.join() ?? '';
    expect(processes).toContain('app-server');
    expect(processes).not.toMatch(/sleep (1234|4321)/);
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

  test('an engine that has agents is waited for, where any runtime would do', async () => {
    await using target = await startTestServer({
      runtime: 'docker',
      script: answerAnything,
      environment: { AGENT_RUNTIME: 'auto' },
    });
    await using client = await connect(target);
    const first = await call(client, 'plan', { task: 'x', agent_id: 'a' });
    await target.restart({ DOCKER_HOST: 'tcp://127.0.0.1:1' });
    await using without = await connect(target);
    const refused = call(without, 'plan', { task: 'x', agent_id: 'a' });
    await expect(refused).rejects.toMatchObject({ code: 'engine_unreachable' });
    await target.restart();
    await using again = await connect(target);
    const second = await call(again, 'plan', { task: 'x', agent_id: 'a' });
    expect(second.session_id).toBe(first.session_id);
  });

  test('an engine that goes away later is told, and used again once it is back', async () => {
    await using door = await openDoor('/var/run/docker.sock');
    await using target = await startTestServer({
      runtime: 'docker',
      script: answerAnything,
      environment: { DOCKER_HOST: `tcp://127.0.0.1:${door.port}` },
    });
    await using client = await connect(target);
    await call(client, 'plan', { task: 'x', agent_id: 'patient' });
    await door.shut();
    const failing = call(client, 'plan', { task: 'x', agent_id: 'patient' });
    await expect(failing).rejects.toMatchObject({ code: 'engine_unreachable' });
    await door.open();
    await expect(call(client, 'plan', { task: 'x', agent_id: 'patient' })).resolves.toBeTruthy();
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

type Client = Awaited<ReturnType<typeof connect>>;

async function containerOf(client: Client, agentId: string): Promise<string> {
  const { sessions } = await call(client, 'list_sessions', { agent_id: agentId });
  return sessions[0].container_id;
}

async function lastTurn(client: Client, agentId: string): Promise<TestServer | undefined> {
  const { last_turns } = await call(client, 'get_my_session_info', { agent_id: agentId });
  return last_turns[0];
}
