import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { answerAnything, runsOnce, type Script } from '../fakes/stand-in-model/script.ts';
import type { StandInModel } from '../fakes/stand-in-model/stand-in-model.ts';
import { shell, text } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { createWorld, kill } from './main-process.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const engine = inject('engine');

let target: TestServer;
beforeAll(async () => {
  target = await startTestServer({ runtime: 'process', script: answerAnything });
});
beforeEach(() => target.model.setScript(answerAnything));
afterAll(() => target?.[Symbol.asyncDispose]());

/** Most clients work with one agent, which begins once. */
const OF_ONE = '?agent_id=shared';

/** Runs a command once for each prompt, and then says something. */
const doesOnce =
  (command: string): Script =>
  ({ toolOutputs }) =>
    toolOutputs.length === 0 ? shell(command) : text('Done.');

/** What Codex sent to the model last. */
function lastBody({ requests }: StandInModel): string {
  return JSON.stringify(requests.at(-1)?.body);
}

describe('codex and codex-reply', () => {
  test('keep a conversation of their own, by whichever name it is called', async () => {
    await using client = await connect(target, 'sse', OF_ONE);
    const first = await call(client, 'codex', { prompt: 'Remember the word quince.' });
    expect(first).toMatchObject({
      threadId: expect.any(String),
      content: 'The stand-in model read 25 characters.',
      session_id: first.threadId,
      changed_files: [],
    });
    expect(lastBody(target.model)).not.toContain('json_schema');
    const spellings = [
      { threadId: first.threadId },
      { session_id: first.threadId },
      { conversation_id: first.threadId, threadId: first.threadId },
    ];
    for (const id of spellings) {
      const reply = await call(client, 'codex-reply', { prompt: 'Which word?', ...id });
      expect(reply).toMatchObject({ threadId: first.threadId, agent_id: first.agent_id });
      expect(lastBody(target.model)).toContain('quince');
    }
    const other = await call(client, 'codex', { prompt: 'Hello' });
    expect(other.threadId).not.toBe(first.threadId);
    const { session_id } = await call(client, 'plan', { task: 'x' });
    expect([first.threadId, other.threadId]).not.toContain(session_id);
    expect(lastBody(target.model)).not.toContain('quince');
  });

  test('go on with the own conversation of an agent', async () => {
    await using client = await connect(target, 'sse', OF_ONE);
    const { session_id, agent_id } = await call(client, 'plan', { task: 'Plant a medlar.' });
    await using another = await connect(target);
    const reply = await call(another, 'codex-reply', { prompt: 'And then?', session_id });
    expect(reply).toMatchObject({ threadId: session_id, agent_id });
    expect(lastBody(target.model)).toContain('medlar');
  });

  test('hand instructions, model and settings to Codex, and keep them', async () => {
    await using client = await connect(target, 'sse', OF_ONE);
    const { threadId } = await call(client, 'codex', {
      prompt: 'Hello',
      'base-instructions': 'You are a gardener.',
      'developer-instructions': 'Speak Esperanto.',
      config: { model: 'gpt-5.5', model_reasoning_effort: 'low' },
      verbosity: 'low',
      mode: 'non-interactive',
    });
    const asked = () => target.model.requests.at(-1);
    const settings = { model: 'gpt-5.5', reasoning: { effort: 'low' } };
    expect(asked()?.body).toMatchObject({ ...settings, text: { verbosity: 'low' } });
    expect(lastBody(target.model)).toContain('You are a gardener.');
    expect(lastBody(target.model)).toContain('Speak Esperanto.');
    await target.restart();
    await using later = await connect(target);
    await call(later, 'codex-reply', { prompt: 'Again', threadId });
    expect(asked()?.body).toMatchObject(settings);
    expect(lastBody(target.model)).toContain('You are a gardener.');
  });

  test('refuse what is wrong, or would let Codex do more', async () => {
    await using client = await connect(target, 'sse', OF_ONE);
    const asked = target.model.requests.length;
    const wrong: [string, object, string][] = [
      ['codex-reply', { threadId: 'nope' }, 'thread_not_found'],
      ['codex-reply', {}, 'invalid_input'],
      ['codex-reply', { threadId: 'a', session_id: 'b' }, 'invalid_input'],
      ['codex', { cwd: '/home/me/project' }, 'invalid_input'],
      ['codex', { cwd: '../..' }, 'invalid_input'],
      ['codex', { config: { mcp_servers: { x: { command: 'sh' } } } }, 'invalid_input'],
      ['codex', { config: { sandbox_mode: 'danger-full-access' } }, 'invalid_input'],
      ['codex', { full_auto: true, 'approval-policy': 'untrusted' }, 'invalid_input'],
      ['codex', { sandbox: 'full-access' }, 'invalid_input'],
      ['codex', { sandbox: 'none' }, 'invalid_input'],
    ];
    for (const [tool, args, code] of wrong) {
      const refused = call(client, tool, { prompt: 'x', ...args });
      await expect(refused, `${tool} ${JSON.stringify(args)}`).rejects.toMatchObject({ code });
    }
    expect(target.model.requests).toHaveLength(asked);
  });

  test('a conversation of another agent is not found', async () => {
    await using client = await connect(target, 'sse', OF_ONE);
    const { threadId } = await call(client, 'codex', { prompt: 'x' });
    const args = { prompt: 'x', threadId, agent_id: 'b' };
    await expect(call(client, 'codex-reply', args)).rejects.toMatchObject({
      code: 'thread_not_found',
    });
  });

  test('are listed, and cleaned up', async () => {
    await using target = await startTestServer({ runtime: 'process', script: answerAnything });
    await using client = await connect(target);
    const begun = await call(client, 'codex', { prompt: 'x', agent_id: 'a', sandbox: 'read-only' });
    const own = await call(client, 'plan', { task: 'x', agent_id: 'a' });
    const { sessions } = await call(client, 'codex-session-info', { agent_id: 'a' });
    expect(sessions).toMatchObject([
      { session_id: own.session_id, own: true, status: 'idle', sandbox: 'workspace-write' },
      { session_id: begun.threadId, own: false, status: 'idle', sandbox: 'read-only', cwd: '.' },
    ]);
    expect(await call(client, 'codex-cleanup')).toEqual({ agents: [], total: 0 });
    expect(await call(client, 'codex-cleanup', { force: true })).toEqual({
      agents: [{ agent_id: 'a', step: 'stop', outcome: 'taken' }],
      total: 1,
    });
    expect(await call(client, 'codex-session-info', { list_active: true })).toMatchObject({
      total: 0,
    });
    const one = await call(client, 'codex-session-info', { session_id: begun.threadId });
    expect(one).toMatchObject({ total: 1, sessions: [{ agent_id: 'a', status: 'stopped' }] });
    await expect(call(client, 'codex-session-info', { session_id: 'nope' })).rejects.toMatchObject({
      code: 'thread_not_found',
    });
    await call(client, 'codex-reply', { prompt: 'x', threadId: begun.threadId });
  });
});

describe.each(CHEAPEST)('a conversation in the $runtime runtime', ({ runtime }) => {
  test('goes on after restarts of the server, the container and both', async () => {
    await using world = await createWorld(runtime);
    const begin = async () => {
      const main = await world.start();
      await using client = await connect(main);
      const { threadId } = await call(client, 'codex', { prompt: 'The word is quince.' });
      return { main, threadId: String(threadId) };
    };
    const { main, threadId } = await begin();
    let server = main;
    const goesOn = async () => {
      await using client = await connect(server);
      await call(client, 'codex-reply', { prompt: 'Which word?', threadId });
      expect(lastBody(world.model)).toContain('quince');
    };
    const stopContainer = async () => {
      await using client = await connect(server);
      await call(client, 'codex-cleanup', { force: true });
    };
    const restartServer = async () => {
      await kill(server, 'SIGKILL');
      server = await world.start();
    };
    await restartServer();
    await goesOn();
    await stopContainer();
    await goesOn();
    await stopContainer();
    await restartServer();
    await goesOn();
  });

  test('that is read-only changes nothing, and no reply may do more', async () => {
    await using target = await startTestServer({ runtime, script: doesOnce('echo x > new.txt') });
    await using client = await connect(target);
    const first = await call(client, 'codex', { prompt: 'x', sandbox: 'read-only' });
    const reply = await call(client, 'codex-reply', { prompt: 'x', threadId: first.threadId });
    for (const result of [first, reply]) expect(result.changed_files).toEqual([]);
    if (runtime === 'docker') expect(reply.undone_changes).toEqual(['new.txt']);
    const free = await call(client, 'codex', { prompt: 'x', sandbox: 'isolated' });
    expect(free.changed_files).toEqual([{ file: 'new.txt', action: 'create' }]);
  });

  test('that has to ask, and nobody answers, gets a no and ends', async () => {
    const asks: Script = ({ toolOutputs }) =>
      toolOutputs.length === 0 ? shell('touch asked.txt') : text(toolOutputs.join());
    const environment = { APPROVAL_TIMEOUT: '1' };
    await using target = await startTestServer({ runtime, script: asks, environment });
    await using client = await connect(target);
    const policy = { 'approval-policy': 'untrusted' };
    const { content, changed_files } = await call(client, 'codex', { prompt: 'x', ...policy });
    expect([content, changed_files]).toEqual([expect.stringMatching(/reject|declin/i), []]);
  });
});

describe.runIf(engine.available)('in a container', () => {
  test('codex works in a directory of the workspace', async () => {
    await using target = await startTestServer({
      runtime: 'docker',
      script: doesOnce('mkdir -p sub; cd sub 2>/dev/null; pwd > where.txt'),
      environment: { CODEX_APPROVAL_MODE: 'auto' },
    });
    await using client = await connect(target);
    await call(client, 'codex', { prompt: 'x', sandbox: 'full-access' });
    target.model.setScript(doesOnce('pwd > here.txt'));
    const { changed_files } = await call(client, 'codex', { prompt: 'x', cwd: '/workspace/sub' });
    expect(changed_files).toEqual([{ file: 'sub/here.txt', action: 'create' }]);
  });
});

describe('more tools', () => {
  test('chat, audit and debug answer in their forms, and change nothing', async () => {
    await using client = await connect(target, 'sse', OF_ONE);
    expect(await call(client, 'chat', { message: 'Hello' })).toMatchObject({
      reply: expect.any(String),
      suggestions: [],
      undone_changes: [],
    });
    const audit = { target_files: ['src'], standards: ['OWASP ASVS'] };
    expect(await call(client, 'audit', audit)).toMatchObject({ findings: [], compliance: [] });
    expect(lastBody(target.model)).toContain('- OWASP ASVS');
    expect(await call(client, 'debug', { problem: 'It hangs.' })).toMatchObject({
      root_cause: expect.any(String),
      confidence: 0,
      solutions: [],
    });
  });

  test('Codex keeps a plan from writing', async () => {
    await using client = await connect(target, 'sse', OF_ONE);
    target.model.setScript(runsOnce('echo evil > evil.txt'));
    expect((await call(client, 'plan', { task: 'Look' })).undone_changes).toEqual([]);
    target.model.setScript(runsOnce('ls; echo end'));
    await call(client, 'implement', { task: 'Look' });
    const listed = target.model.requests.at(-1)?.seen.toolOutputs.join();
    expect(listed).toMatch(/^end$/m);
    expect(listed).not.toContain('evil.txt');
  });

  test('curl can call codex_chat, which no client lists', async () => {
    const body = JSON.stringify({ message: 'Hello', agent_id: 'shared' });
    const chat = (name: string) =>
      promisify(execFile)('curl', ['-s', `${target.url}/tools/${name}`, '-d', body]);
    expect(JSON.parse((await chat('codex_chat')).stdout)).toMatchObject({
      agent_id: 'shared',
      suggestions: [],
    });
    const tools = await (await fetch(`${target.url}/tools`)).text();
    expect(tools).toContain('"chat"');
    expect(tools).not.toContain('codex_chat');
  });
});

describe('a turn that runs', () => {
  test('can be told more', async () => {
    target.model.setScript((request) =>
      request.prompt.includes('quince')
        ? answerAnything(request)
        : text('word '.repeat(100), { chunkDelayMs: 500 }),
    );
    await using client = await connect(target, 'sse', OF_ONE);
    const asked = target.model.requests.length;
    const { turn_id } = await call(client, 'plan', { task: 'x', wait: false });
    await expect.poll(() => target.model.requests.length).toBe(asked + 1);
    const message = 'Think of a quince.';
    expect(await call(client, 'steer', { turn_id, message })).toMatchObject({ state: 'running' });
    expect(await call(client, 'wait_turn', { turn_id })).toMatchObject({ state: 'completed' });
    expect(lastBody(target.model)).toContain('quince');
    for (const args of [
      { turn_id, message },
      { turn_id: 'nope', message },
    ]) {
      const code = turn_id === args.turn_id ? 'turn_not_running' : 'turn_not_found';
      await expect(call(client, 'steer', args)).rejects.toMatchObject({ code });
    }
  });

  test('tells what it had done when its time is up', async () => {
    await using client = await connect(target, 'sse', OF_ONE);
    await call(client, 'plan', { task: 'Wake up.' });
    target.model.setScript(runsOnce('echo one > one.txt; sleep 600'));
    const args = { task: 'x', timeout_seconds: 15, wait: false };
    const { turn_id } = await call(client, 'implement', args);
    const turn = await call(client, 'wait_turn', { turn_id });
    expect(turn).toMatchObject({
      state: 'expired',
      error: {
        code: 'turn_timeout',
        done_so_far: {
          last_message: null,
          commands: [{ command: expect.stringContaining('sleep 600'), exit_code: null }],
          changes: [{ file: 'one.txt', action: 'create', diff: expect.stringContaining('+one') }],
        },
      },
    });
  });
});
