import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import { answerAnything, runsOnce } from '../fakes/stand-in-model/script.ts';
import {
  json,
  patch,
  plan,
  reasoning,
  type Step,
  shell,
  text,
} from '../fakes/stand-in-model/step.ts';
import { RUNTIMES } from '../setup/runtimes.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

describe.each(RUNTIMES)('in the $runtime runtime', ({ runtime }) => {
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

  test('a plan over SSE holds everything that was asked for, twice', async () => {
    const result = await client.client.callTool({ name: 'plan', arguments: { task: 'Say hello' } });
    expect(result.structuredContent).toMatchObject({
      task_breakdown: [],
      estimated_complexity: 'low',
      undone_changes: [],
      agent_id: 'a',
      usage: { model_requests: 1, total_tokens: 1050 },
    });
    const [block] = result.content as { text: string }[];
    expect(JSON.parse(block?.text ?? '')).toEqual(result.structuredContent);
  });

  test('implement returns what really changed, whatever the model says', async () => {
    target.model.setScript(({ toolOutputs }) =>
      toolOutputs.length === 0
        ? shell('mkdir -p src && printf "one\\ntwo\\n" > src/list.txt && printf x > "other file"')
        : json({
            changes: [
              { file: 'src/list.txt', explanation: 'The list.' },
              { file: 'src/never.txt', explanation: 'A lie.' },
            ],
            dependencies_added: [],
            tests_needed: [],
            integration_notes: '',
            next_steps: [],
            warnings: [],
          }),
    );
    const result = await call(client, 'implement', { task: 'Write a list' });
    expect(result.changes).toEqual([
      expect.objectContaining({ file: 'other file', action: 'create', explanation: '' }),
      {
        file: 'src/list.txt',
        action: 'create',
        explanation: 'The list.',
        line_numbers: '1-2',
        diff: expect.stringContaining('+++ b/src/list.txt\n@@ -0,0 +1,2 @@\n+one\n+two\n'),
      },
    ]);
    expect(result.warnings).toEqual([
      'Codex reports a change of src/never.txt, but the file did not change.',
    ]);
  });

  test('progress tells what Codex thinks, plans, runs and changes', async () => {
    const steps: [Step, ...Step[]] = [
      plan([{ step: 'Look', status: 'in_progress' }]),
      reasoning('**Looking around**', shell('true')),
      shell('echo a > a.txt; sleep 0.5'),
      patch('*** Begin Patch\n*** Add File: b.txt\n+b\n*** End Patch\n'),
      shell('sleep 0.5; exit 3'),
    ];
    target.model.setScript(async ({ toolOutputs, schema }) => {
      // A client hears only of what lasts: a few messages a second.
      await sleep(400);
      return steps[toolOutputs.length] ?? json(fillSchema(schema));
    });
    await call(client, 'cleanup_inactive_agents');
    await call(client, 'implement', { task: 'x' });
    const told = client.progress.join('\n');
    expect(told).toContain('Waking the agent');
    expect(told).toContain('Step 1 of 1: Look');
    expect(told).toMatch(/Thinking: Looking around|Running: true/);
    expect(told).toContain('Running: echo a > a.txt');
    expect(told).toContain('Failed (3)');
  });

  test('fix returns the true diffs of what it mended', async () => {
    target.model.setScript(runsOnce('echo broken > fixed.txt'));
    await call(client, 'implement', { task: 'Begin' });
    target.model.setScript(runsOnce('echo mended > fixed.txt'));
    const result = await call(client, 'fix', { symptoms: ['it is broken'] });
    expect(result.changes).toEqual([
      expect.objectContaining({
        file: 'fixed.txt',
        action: 'modify',
        diff: expect.stringContaining('-broken\n+mended\n'),
      }),
    ]);
  });

  test('the conversation goes on from call to call', async () => {
    const first = await call(client, 'plan', { task: 'Remember BLUE' });
    const second = await call(client, 'review', { content: 'What was it?' });
    expect(second.session_id).toBe(first.session_id);
    expect(JSON.stringify(target.model.requests.at(-1)?.body)).toContain('Remember BLUE');
  });

  test('files and conversation outlive the server, over the other transport too', async () => {
    target.model.setScript(runsOnce('echo kept > kept.txt'));
    const before = await call(client, 'implement', { task: 'Remember GREEN' });
    await client[Symbol.asyncDispose]();
    await target.restart();
    target.model.setScript(runsOnce('cat kept.txt'));
    client = await connect(target, 'http', '?agent_id=a');
    const after = await call(client, 'plan', { task: 'Look' });
    expect(after.session_id).toBe(before.session_id);
    const last = target.model.requests.at(-1);
    expect(last?.seen.toolOutputs.join()).toContain('kept');
    expect(JSON.stringify(last?.body)).toContain('Remember GREEN');
  });

  test('an answer that cannot be read is asked for once more', async () => {
    let asked = 0;
    target.model.setScript(({ schema }) => {
      asked += 1;
      return asked === 1 ? text('Here is my plan: do it.') : json(fillSchema(schema));
    });
    const result = await call(client, 'plan', { task: 'Plan' });
    expect(result.usage.model_requests).toBe(2);
    expect(target.model.requests.at(-1)?.seen.prompt).toContain('It is not JSON');
  });

  test('two answers that cannot be read are an error, not an empty plan', async () => {
    target.model.setScript(() => json({ task_breakdown: 'none' }));
    await expect(call(client, 'plan', { task: 'Plan' })).rejects.toMatchObject({
      code: 'output_invalid',
    });
  });

  test('calls to one agent run in their order', async () => {
    target.model.setScript(runsOnce('sleep 0.3'));
    const ended: string[] = [];
    await Promise.all(
      ['first', 'second', 'third'].map(async (task) => {
        await call(client, 'plan', { task });
        ended.push(task);
      }),
    );
    expect(ended).toEqual(['first', 'second', 'third']);
    expect(client.progress.join()).toContain('Waiting for');
  });

  test.runIf(runtime === 'docker')('codex works in a directory of the workspace', async () => {
    const does = (command: string) =>
      target.model.setScript(({ toolOutputs }) =>
        toolOutputs.length === 0 ? shell(command) : text('Done.'),
      );
    does('mkdir -p sub; touch sub/there.txt');
    await call(client, 'codex', { prompt: 'x' });
    does('pwd > here.txt');
    const { changed_files } = await call(client, 'codex', { prompt: 'x', cwd: '/workspace/sub' });
    expect(changed_files).toEqual([{ file: 'sub/here.txt', action: 'create' }]);
  });
});
