import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { startCodex } from '../gateway/codex-app-server.ts';
import { answerAnything, sequence } from './stand-in-model/script.ts';
import { startStandInModel } from './stand-in-model/stand-in-model.ts';
import {
  cut,
  failed,
  garbage,
  http,
  json,
  patch,
  plan,
  reasoning,
  refuse,
  type Step,
  shell,
  text,
} from './stand-in-model/step.ts';

const PATCH = '*** Begin Patch\n*** Add File: made.txt\n+by a patch\n*** End Patch\n';
const SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['answer'],
  properties: { answer: { type: 'string' } },
};
/** No tool for patches, one for patches, and code mode. */
const MODELS = ['gpt-5', 'gpt-5.5', 'gpt-5.6', 'gpt-5.6-sol'];

describe.each(MODELS)('real Codex with %s', (model) => {
  test('runs the commands and applies the patches of a script', async () => {
    await using standIn = await startStandInModel({
      script: sequence([
        shell('echo from the shell | tee made-too.txt'),
        patch(PATCH),
        reasoning('**Nearly done**', text('All done.')),
      ]),
    });
    await using codex = await startCodex({ baseUrl: standIn.url, model });
    const turn = await codex.turn('Make two files.');
    expect(turn).toMatchObject({ status: 'completed', text: 'All done.' });
    expect(await readFile(path.join(codex.workspace, 'made-too.txt'), 'utf8')).toContain('shell');
    expect(await readFile(path.join(codex.workspace, 'made.txt'), 'utf8')).toBe('by a patch\n');
    expect(turn.items).toContain('commandExecution');
    expect(turn.items).toContain('fileChange');
    const last = standIn.requests.at(-1)?.seen;
    expect(last?.prompt).toBe('Make two files.');
    expect(last?.toolOutputs).toHaveLength(2);
    expect(last?.toolOutputs[0]).toContain('from the shell');
  });

  test('gets an answer in the asked form, and sends the plan', async () => {
    await using standIn = await startStandInModel({
      script: sequence([plan([{ step: 'Think', status: 'in_progress' }]), json({ answer: 'yes' })]),
    });
    const config = ['tools.update_plan.enabled=true'];
    await using codex = await startCodex({ baseUrl: standIn.url, model, config });
    const turn = await codex.turn('Plan it.', { outputSchema: SCHEMA });
    expect(turn.text).toBe('{"answer":"yes"}');
    expect(standIn.requests[0]?.seen.schema).toEqual(SCHEMA);
    expect(standIn.requests[1]?.seen.toolOutputs[0]).toMatch(/plan updated|script completed/i);
  });
});

test('the script that answers anything fits the asked schema', async () => {
  await using standIn = await startStandInModel({ script: answerAnything });
  await using codex = await startCodex({ baseUrl: standIn.url });
  expect((await codex.turn('Hello')).text).toMatch(/read 5 characters/);
  expect((await codex.turn('Hello', { outputSchema: SCHEMA })).text).toBe('{"answer":"text"}');
});

test.each<[string, Step, unknown]>([
  ['a rejected request', http(400), 'other'],
  ['a used-up quota', failed('insufficient_quota'), 'usageLimitExceeded'],
  ['a full context', failed('context_length_exceeded'), 'contextWindowExceeded'],
])('%s fails a turn of real Codex', async (_name, step, errorInfo) => {
  await using standIn = await startStandInModel({ script: () => step });
  await using codex = await startCodex({ baseUrl: standIn.url });
  const turn = await codex.turn('Hello');
  expect(turn.status).toBe('failed');
  expect(turn.error?.codexErrorInfo).toBe(errorInfo);
});

test.each<[string, Step]>([
  ['a stream that is cut', cut()],
  ['a connection that is reset', refuse()],
  ['an answer that is no stream', garbage()],
])('real Codex tries again after %s', async (_name, step) => {
  let asked = 0;
  await using standIn = await startStandInModel({
    script: () => {
      asked += 1;
      return asked === 1 ? step : text('Here again.');
    },
  });
  await using codex = await startCodex({ baseUrl: standIn.url });
  expect(await codex.turn('Hello')).toMatchObject({ status: 'completed', text: 'Here again.' });
});
