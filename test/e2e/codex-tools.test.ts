import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { answerAnything, runsOnce, type Script } from '../fakes/stand-in-model/script.ts';
import { shell, text } from '../fakes/stand-in-model/step.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

/** Runs a command once for each prompt, and then says something. */
const doesOnce =
  (command: string): Script =>
  ({ toolOutputs }) =>
    toolOutputs.length === 0 ? shell(command) : text('Done.');

describe.each(CHEAPEST)('in the $runtime runtime', ({ runtime }) => {
  let target: TestServer;
  let client: Connection;

  beforeAll(async () => {
    target = await startTestServer({ runtime, script: answerAnything });
  });
  afterAll(() => target?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    target.model.setScript(answerAnything);
    client = await connect(target, 'sse', '?agent_id=a');
  });
  afterEach(() => client[Symbol.asyncDispose]());

  /** What Codex sent to the model last. */
  const asked = () => target.model.requests.at(-1)?.body;
  const lastBody = () => JSON.stringify(asked());

  describe('codex and codex-reply', () => {
    test('keep a conversation of their own, by whichever name it is called', async () => {
      const first = await call(client, 'codex', { prompt: 'Remember the word quince.' });
      expect(first).toMatchObject({
        threadId: expect.any(String),
        content: 'The stand-in model read 25 characters.',
        session_id: first.threadId,
        changed_files: [],
      });
      expect(lastBody()).not.toContain('json_schema');
      const spellings = [
        { threadId: first.threadId },
        { session_id: first.threadId },
        { conversation_id: first.threadId, threadId: first.threadId },
      ];
      for (const id of spellings) {
        const reply = await call(client, 'codex-reply', { prompt: 'Which word?', ...id });
        expect(reply).toMatchObject({ threadId: first.threadId, agent_id: first.agent_id });
        expect(lastBody()).toContain('quince');
      }
      const other = await call(client, 'codex', { prompt: 'Hello' });
      expect(other.threadId).not.toBe(first.threadId);
      const { session_id } = await call(client, 'plan', { task: 'x' });
      expect([first.threadId, other.threadId]).not.toContain(session_id);
      expect(lastBody()).not.toContain('quince');
    });

    test('go on with the own conversation of an agent', async () => {
      const { session_id, agent_id } = await call(client, 'plan', { task: 'Plant a medlar.' });
      await using another = await connect(target);
      const reply = await call(another, 'codex-reply', { prompt: 'And then?', session_id });
      expect(reply).toMatchObject({ threadId: session_id, agent_id });
      expect(lastBody()).toContain('medlar');
    });

    test('hand instructions, model and settings to Codex, and keep them over restarts', async () => {
      const settings = { model: 'gpt-5.5', reasoning: { effort: 'low' } };
      const { threadId } = await call(client, 'codex', {
        prompt: 'The word is rowan.',
        'base-instructions': 'You are a gardener.',
        'developer-instructions': 'Speak Esperanto.',
        config: { model: 'gpt-5.5', model_reasoning_effort: 'low' },
        verbosity: 'low',
        mode: 'non-interactive',
      });
      expect(asked()).toMatchObject({ ...settings, text: { verbosity: 'low' } });
      expect(lastBody()).toContain('Speak Esperanto.');
      const goesOn = async () => {
        await using later = await connect(target);
        await call(later, 'codex-reply', { prompt: 'Which word?', threadId });
        expect(asked()).toMatchObject(settings);
        for (const said of ['rowan', 'You are a gardener.']) expect(lastBody()).toContain(said);
      };
      await target.restart();
      await goesOn();
      // Now its container too.
      await using cleaner = await connect(target);
      await call(cleaner, 'codex-cleanup', { force: true });
      await target.restart();
      await goesOn();
    });

    test('refuse what is wrong, or would let Codex do more', async () => {
      const wrong: [string, object, string][] = [
        ['codex-reply', { threadId: 'nope' }, 'thread_not_found'],
        ['codex-reply', {}, 'invalid_input'],
        ['codex-reply', { threadId: 'a', session_id: 'b' }, 'invalid_input'],
        ['codex', { cwd: '/home/me/project' }, 'invalid_input'],
        ['codex', { cwd: '../..' }, 'invalid_input'],
        ['codex', { config: { mcp_servers: { x: { command: 'sh' } } } }, 'invalid_input'],
        ['codex', { config: { sandbox_mode: 'danger-full-access' } }, 'invalid_input'],
        ['codex', { full_auto: true, 'approval-policy': 'untrusted' }, 'invalid_input'],
        ['codex', { sandbox: 'none' }, 'invalid_input'],
      ];
      // What a container may is another matter.
      if (runtime === 'process') wrong.push(['codex', { sandbox: 'full-access' }, 'invalid_input']);
      const before = target.model.requests.length;
      for (const [tool, args, code] of wrong) {
        const refused = call(client, tool, { prompt: 'x', ...args });
        await expect(refused, `${tool} ${JSON.stringify(args)}`).rejects.toMatchObject({ code });
      }
      expect(target.model.requests).toHaveLength(before);
    });

    test('do not find a conversation of another agent', async () => {
      const { threadId } = await call(client, 'codex', { prompt: 'x' });
      const args = { prompt: 'x', threadId, agent_id: 'b' };
      await expect(call(client, 'codex-reply', args)).rejects.toMatchObject({
        code: 'thread_not_found',
      });
    });

    test('are listed, and cleaned up', async () => {
      const agent = { agent_id: 'listed' };
      const begun = await call(client, 'codex', { ...agent, prompt: 'x', sandbox: 'read-only' });
      const own = await call(client, 'plan', { ...agent, task: 'x' });
      const { sessions } = await call(client, 'codex-session-info', agent);
      expect(sessions).toMatchObject([
        { session_id: own.session_id, own: true, status: 'idle', sandbox: 'workspace-write' },
        { session_id: begun.threadId, own: false, status: 'idle', sandbox: 'read-only', cwd: '.' },
      ]);
      expect(await call(client, 'codex-cleanup')).toEqual({ agents: [], total: 0 });
      const { agents } = await call(client, 'codex-cleanup', { force: true });
      expect(agents).toContainEqual({ ...agent, step: 'stop', outcome: 'taken' });
      const active = await call(client, 'codex-session-info', { list_active: true });
      expect(active).toMatchObject({ total: 0 });
      const one = await call(client, 'codex-session-info', { session_id: begun.threadId });
      expect(one).toMatchObject({ total: 1, sessions: [{ ...agent, status: 'stopped' }] });
      const unknown = call(client, 'codex-session-info', { session_id: 'nope' });
      await expect(unknown).rejects.toMatchObject({ code: 'thread_not_found' });
      await call(client, 'codex-reply', { prompt: 'x', threadId: begun.threadId });
    });

    test('that are read-only change nothing, and no reply may do more', async () => {
      target.model.setScript(doesOnce('echo x > new.txt'));
      const first = await call(client, 'codex', { prompt: 'x', sandbox: 'read-only' });
      const reply = await call(client, 'codex-reply', { prompt: 'x', threadId: first.threadId });
      for (const result of [first, reply]) expect(result.changed_files).toEqual([]);
      if (runtime === 'docker') expect(reply.undone_changes).toEqual(['new.txt']);
      const free = await call(client, 'codex', { prompt: 'x', sandbox: 'isolated' });
      expect(free.changed_files).toEqual([{ file: 'new.txt', action: 'create' }]);
    });
  });

  describe('more tools', () => {
    test('chat, audit and debug answer in their forms', async () => {
      expect(await call(client, 'chat', { message: 'Hello' })).toMatchObject({
        reply: expect.any(String),
        suggestions: [],
        undone_changes: [],
      });
      const audit = { target_files: ['src'], standards: ['OWASP ASVS'] };
      expect(await call(client, 'audit', audit)).toMatchObject({ findings: [], compliance: [] });
      expect(lastBody()).toContain('- OWASP ASVS');
      expect(await call(client, 'debug', { problem: 'It hangs.' })).toMatchObject({
        root_cause: expect.any(String),
        confidence: 0,
        solutions: [],
      });
    });

    test.runIf(runtime === 'process')('Codex keeps a plan from writing', async () => {
      target.model.setScript(runsOnce('echo evil > evil.txt'));
      expect((await call(client, 'plan', { task: 'Look' })).undone_changes).toEqual([]);
      target.model.setScript(runsOnce('ls; echo end'));
      await call(client, 'implement', { task: 'Look' });
      const listed = target.model.requests.at(-1)?.seen.toolOutputs.join();
      expect(listed).toContain('\nend');
      expect(listed).not.toContain('\nevil.txt');
    });

    test('curl can call codex_chat, which no client lists', async () => {
      const body = JSON.stringify({ message: 'Hello', agent_id: 'a' });
      const url = `${target.url}/tools/codex_chat`;
      const { stdout } = await promisify(execFile)('curl', ['-s', url, '-d', body]);
      expect(JSON.parse(stdout)).toMatchObject({ agent_id: 'a', suggestions: [] });
      const tools = await (await fetch(`${target.url}/tools`)).text();
      expect(tools).toContain('"chat"');
      expect(tools).not.toContain('codex_chat');
    });
  });

  describe('a turn that runs', () => {
    test('can be told more', async () => {
      const before = target.model.requests.length;
      target.model.setScript((request) =>
        request.prompt.includes('sloe')
          ? answerAnything(request)
          : text('word '.repeat(100), { chunkDelayMs: 500 }),
      );
      const { turn_id } = await call(client, 'plan', { task: 'x', wait: false });
      await expect.poll(() => target.model.requests.length).toBe(before + 1);
      const message = 'Think of a sloe.';
      expect(await call(client, 'steer', { turn_id, message })).toMatchObject({ state: 'running' });
      expect(await call(client, 'wait_turn', { turn_id })).toMatchObject({ state: 'completed' });
      expect(lastBody()).toContain('sloe');
      for (const [id, code] of [
        [turn_id, 'turn_not_running'],
        ['nope', 'turn_not_found'],
      ]) {
        const steering = call(client, 'steer', { turn_id: id, message });
        await expect(steering).rejects.toMatchObject({ code });
      }
    });

    test('tells what it had done when its time is up', async () => {
      await call(client, 'plan', { task: 'Wake up.' });
      target.model.setScript(runsOnce('echo one > one.txt; sleep 600'));
      const args = { task: 'x', timeout_seconds: 6, wait: false };
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
});
