import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CodexClient, TurnOptions } from '../../src/codex/codex-client.ts';
import { CodexSilent } from '../../src/codex/connection/heartbeat.ts';
import type { TurnEvent } from '../../src/turns/events/turn-event.ts';
import { sequence } from '../fakes/stand-in-model/script.ts';
import { type StandInModel, startStandInModel } from '../fakes/stand-in-model/stand-in-model.ts';
import {
  patch,
  plan,
  reasoning,
  type Step,
  shell,
  silence,
  text,
} from '../fakes/stand-in-model/step.ts';
import { CodexProcess } from './codex-process.ts';

let model: StandInModel;
let codex: CodexProcess;
let client: CodexClient;

beforeAll(async () => {
  model = await startStandInModel({ script: () => text('ok') });
  codex = await CodexProcess.start(model.url);
  client = await codex.connect();
});

afterAll(async () => {
  await client.close();
  await codex[Symbol.asyncDispose]();
  await model.close();
});

/** For how long a slow machine is silent at most. */
const SILENCE_MS = 2000;

/** What the model does in the next turn. */
function modelDoes(...steps: [Step, ...Step[]]): void {
  model.setScript(sequence([...steps, text('ok')]));
}

/** The last request that the model got. */
function lastRequest() {
  return model.requests.at(-1)?.seen;
}

async function startThread() {
  const { threadId } = await client.startThread({
    cwd: codex.workspace,
    model: 'gpt-5.5',
    developerInstructions: 'Answer in Esperanto.',
  });
  return threadId;
}

function options(threadId: string, more: Partial<TurnOptions> = {}): TurnOptions {
  return {
    threadId,
    prompt: 'Do it.',
    cwd: codex.workspace,
    model: 'gpt-5.5',
    effort: 'low',
    sandbox: 'external',
    approvalPolicy: 'never',
    clientMessageId: 'message-1',
    ...more,
  };
}

async function runTurn(turn: TurnOptions, on = client) {
  const events: TurnEvent[] = [];
  const running = await on.startTurn(turn, (event) => events.push(event));
  return { ...running, events, completion: await running.completed };
}

/** Command lines of living processes that contain the text. */
function processesWith(text: string): string[] {
  const lines = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes(text));
}

test('a turn sends prompt, model, effort, instructions and schema, and gives the final message', async () => {
  const threadId = await startThread();
  const outputSchema = {
    type: 'object',
    additionalProperties: false,
    required: ['answer'],
    properties: { answer: { type: 'string' } },
  };
  modelDoes(text('{"answer":"42"}'));
  const turn = await runTurn(options(threadId, { prompt: 'What is it?', outputSchema }));
  expect(turn.completion).toEqual({ status: 'completed', finalMessage: '{"answer":"42"}' });
  expect(turn.events).toMatchObject([
    { type: 'turn_started', turnId: turn.turnId },
    { type: 'message', text: '{"answer":"42"}' },
  ]);
  const request = lastRequest();
  expect(request?.prompt).toBe('What is it?');
  expect(request?.body).toMatchObject({
    model: 'gpt-5.5',
    reasoning: { effort: 'low' },
    text: { format: { type: 'json_schema', strict: true, schema: outputSchema } },
  });
  expect(JSON.stringify(request?.body)).toContain('Answer in Esperanto.');
  expect(client.version).toMatch(/^0\.169\./);
});

test('commands, patches, plans and thoughts are events', async () => {
  const threadId = await startThread();
  modelDoes(
    reasoning('**Look**', plan([step('one', 'completed'), step('two', 'in_progress')])),
    shell(`echo "it's"; exit 3`),
    patch('*** Begin Patch\n*** Add File: a.txt\n+hello\n*** End Patch\n'),
    text('Done.'),
  );
  const { events, completion } = await runTurn(options(threadId));
  expect(completion).toEqual({ status: 'completed', finalMessage: 'Done.' });
  expect(events).toMatchObject([
    { type: 'turn_started' },
    { type: 'thinking', text: '**Look**' },
    { type: 'plan_updated', steps: [step('one', 'completed'), step('two', 'in_progress')] },
    { type: 'command_started', command: `echo "it's"; exit 3` },
    { type: 'command_completed', command: `echo "it's"; exit 3`, exitCode: 3, output: "it's\n" },
    { type: 'files_changed', paths: [path.join(codex.workspace, 'a.txt')], applied: true },
    { type: 'message', text: 'Done.' },
  ]);
  expect(await readFile(path.join(codex.workspace, 'a.txt'), 'utf8')).toBe('hello\n');
});

test('an external sandbox tells model and commands that there is a network', async () => {
  modelDoes(shell('env'));
  const { events } = await runTurn(options(await startThread()));
  const command = events.find(({ type }) => type === 'command_completed');
  expect(command).toMatchObject({ exitCode: 0 });
  expect(JSON.stringify(command)).not.toContain('CODEX_SANDBOX_NETWORK_DISABLED');
  expect(JSON.stringify(lastRequest()?.body)).toContain('Network access is enabled');
});

test('a thread is never started with full access, which would trust the repository', async () => {
  await runTurn(options(await startThread()));
  const config = await readFile(path.join(codex.home, 'config.toml'), 'utf8');
  expect(config).not.toContain('trust_level');
});

test('an interrupted turn ends, and cleaning up kills the command it left', async () => {
  const threadId = await startThread();
  const marker = `sleep 98.${process.pid}`;
  modelDoes(shell(marker));
  const running = await client.startTurn(options(threadId), () => undefined);
  await expect.poll(() => processesWith(marker).length, { timeout: 90_000 }).toBeGreaterThan(0);
  const start = performance.now();
  await client.interruptTurn(threadId, running.turnId);
  expect(await running.completed).toEqual({ status: 'interrupted' });
  expect(performance.now() - start).toBeLessThan(30_000);
  await client.cleanBackgroundTerminals(threadId);
  await expect.poll(() => processesWith(marker), { timeout: 90_000 }).toEqual([]);
  await client.interruptTurn(threadId, running.turnId);
  modelDoes(text('ok'));
  expect((await runTurn(options(threadId))).completion).toMatchObject({ status: 'completed' });
});

test('a turn is interrupted although it has only just been asked for', async () => {
  modelDoes(silence());
  const statuses: string[] = [];
  for (let round = 0; round < 3; round += 1) {
    const threadId = await startThread();
    const running = await client.startTurn(options(threadId), () => undefined);
    await client.interruptTurn(threadId, running.turnId);
    statuses.push((await running.completed).status);
  }
  expect(new Set(statuses)).toEqual(new Set(['interrupted']));
});

test('a turn runs on when the connection breaks, and a new connection takes the thread up', async () => {
  const proxy = codex.proxy();
  const first = await codex.connect(proxy.stream);
  const { threadId } = await first.startThread({ cwd: codex.workspace, model: 'gpt-5.5' });
  modelDoes(shell('sleep 1; echo late >> late.txt'));
  const started = Promise.withResolvers<void>();
  const running = await first.startTurn(options(threadId), ({ type }) => {
    if (type === 'command_started') started.resolve();
  });
  await started.promise;
  modelDoes(text('ok'));
  proxy.process.kill('SIGKILL');
  await expect(running.completed).rejects.toMatchObject({ code: 'codex_failed' });
  expect(await first.closed).toBeInstanceOf(Error);

  const second = await codex.connect();
  expect(await second.hasRunningTurn()).toBe(true);
  await second.resumeThread(threadId, { cwd: codex.workspace, model: 'gpt-5.5' });
  await expect(second.startTurn(options(threadId), () => undefined)).rejects.toThrow('running');
  await expect
    .poll(() => runTurn(options(threadId), second).catch(() => undefined), { timeout: 8000 })
    .toMatchObject({ completion: { status: 'completed', finalMessage: 'ok' } });
  expect(await readFile(path.join(codex.workspace, 'late.txt'), 'utf8')).toBe('late\n');
  expect(JSON.stringify(lastRequest()?.body)).toContain('late.txt');
  expect(await second.hasRunningTurn()).toBe(false);
  await second.close();
});

test('a new connection joins a turn that still runs, and reads one that has ended', async () => {
  const proxy = codex.proxy();
  const first = await codex.connect(proxy.stream);
  const { threadId } = await first.startThread({ cwd: codex.workspace, model: 'gpt-5.5' });
  modelDoes(shell('sleep 1'));
  const begun = Promise.withResolvers<void>();
  const turn = options(threadId, { clientMessageId: 'ours' });
  const lost = await first.startTurn(turn, ({ type }) => {
    if (type === 'command_started') begun.resolve();
  });
  await begun.promise;
  proxy.process.kill('SIGKILL');
  await expect(lost.completed).rejects.toThrow();

  const second = await codex.connect();
  await second.resumeThread(threadId, { cwd: codex.workspace, model: 'gpt-5.5' });
  const events: string[] = [];
  const running = await second.joinTurn(threadId, 'ours', ({ type }) => events.push(type));
  expect(running?.turnId).toBe(lost.turnId);
  expect(await running?.completed).toEqual({ status: 'completed', finalMessage: 'ok' });
  expect(events).toContain('command_completed');

  const ended = await second.joinTurn(threadId, 'ours', () => undefined);
  expect(await ended?.completed).toEqual({ status: 'completed', finalMessage: 'ok' });
  expect(await second.joinTurn(threadId, 'never sent', () => undefined)).toBeUndefined();
  modelDoes(text('next'));
  expect((await runTurn(options(threadId), second)).completion).toMatchObject({
    finalMessage: 'next',
  });
  await second.close();
});

test('the death of the proxy is always noticed', async () => {
  for (let round = 0; round < 3; round += 1) {
    const proxy = codex.proxy();
    const connection = await codex.connect(proxy.stream);
    proxy.process.kill('SIGKILL');
    expect(await connection.closed).toBeInstanceOf(Error);
  }
});

test('a Codex that was stopped is found silent, and no other', async () => {
  const connection = await codex.connect(codex.proxy().stream, SILENCE_MS);
  const thread = { cwd: codex.workspace, model: 'gpt-5.5' };
  const { threadId } = await connection.startThread(thread);
  // Nothing is told meanwhile: only questions are answered.
  modelDoes(shell('sleep 3'), shell('sleep 9'));
  const begun = Promise.withResolvers<void>();
  const turn = await connection.startTurn(options(threadId), (event) => {
    if (event.type === 'command_started' && event.command.includes('9')) begun.resolve();
  });
  await begun.promise;
  codex.signal('SIGSTOP');
  try {
    const cause = new CodexSilent('Codex did not answer for 2 s.');
    await expect(turn.completed).rejects.toMatchObject({ code: 'codex_failed', cause });
    await expect(codex.connect(codex.proxy().stream, SILENCE_MS)).rejects.toMatchObject({ cause });
  } finally {
    codex.signal('SIGCONT');
  }
});

test('a thread that is not in the home cannot be resumed', async () => {
  const resuming = client.resumeThread('01a1f835-ad96-7000-8000-000000000000', {
    cwd: codex.workspace,
    model: 'gpt-5.5',
  });
  await expect(resuming).rejects.toMatchObject({ code: 'codex_failed' });
});

test.each([
  ['workspace-write', true],
  ['read-only', false],
] as const)('the %s sandbox of Codex itself holds commands', async (sandbox, mayWrite) => {
  modelDoes(shell(`touch in-${sandbox}; touch ../out-${sandbox}`));
  await runTurn(options(await startThread(), { sandbox }));
  const output = lastRequest()?.toolOutputs.join();
  expect(output).toContain(`cannot touch '../out-${sandbox}'`);
  expect(output?.includes(`cannot touch 'in-${sandbox}'`)).toBe(!mayWrite);
});

function step(text: string, status: 'completed' | 'in_progress') {
  return { step: text, status };
}
