import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CodexClient, TurnCompletion } from '../../src/codex/codex-client.ts';
import { toTurnFailure } from '../../src/codex/turns/turn-failure.ts';
import type { TurnEvent } from '../../src/turns/events/turn-event.ts';
import { type StandInModel, startStandInModel } from '../fakes/stand-in-model/stand-in-model.ts';
import { cut, failed, garbage, http, type Step, text } from '../fakes/stand-in-model/step.ts';
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

/** Runs a turn whose model does this however often it is asked. */
async function fail(step: Step): Promise<{ completion: TurnCompletion; events: TurnEvent[] }> {
  const { threadId } = await client.startThread({ cwd: codex.workspace, model: 'gpt-5.5' });
  model.setScript(() => step);
  const events: TurnEvent[] = [];
  const turn = await client.startTurn(
    {
      threadId,
      prompt: 'Do it.',
      cwd: codex.workspace,
      model: 'gpt-5.5',
      effort: 'low',
      sandbox: 'external',
      approvalPolicy: 'never',
      clientMessageId: 'message-1',
    },
    (event) => events.push(event),
  );
  return { completion: await turn.completed, events };
}

const status = (code: number, error: Record<string, unknown>) =>
  http(code, { error: { message: 'said the provider', ...error } });

test.each([
  ['401', status(401, { code: 'invalid_api_key' }), 'unauthorized', 401],
  ['402', status(402, {}), 'quota_exceeded', 402],
  ['429', status(429, { code: 'rate_limit_exceeded' }), 'rate_limited', 429],
  ['a used-up plan', status(429, { type: 'usage_limit_reached' }), 'quota_exceeded', undefined],
  ['400', status(400, { type: 'invalid_request_error' }), 'rejected', undefined],
  ['404', status(404, { code: 'model_not_found' }), 'rejected', undefined],
  ['500', status(500, {}), 'unavailable', undefined],
  ['503', status(503, {}), 'unavailable', 503],
  ['a long context', failed('context_length_exceeded'), 'context_too_long'],
  ['no credit', failed('insufficient_quota'), 'quota_exceeded'],
  ['a late rate limit', failed('rate_limit_exceeded'), 'rate_limited'],
  ['an overload', failed('server_is_overloaded'), 'unavailable'],
  ['a fault of the server', failed('server_error'), 'unavailable'],
  ['a cut stream', cut(), 'unavailable'],
  ['an answer that is no stream', garbage(), 'unavailable'],
] satisfies [string, Step, string, number?][])(
  '%s fails the turn with its kind',
  async (...row) => {
    const [, step, kind, httpStatus] = row;
    const { completion } = await fail(step);
    expect(completion).toEqual({
      status: 'failed',
      failure: { kind, message: expect.stringMatching(/\S/), ...(httpStatus && { httpStatus }) },
    });
    expect(JSON.stringify(completion)).not.toContain('http://127.0.0.1');
  },
);

test('what the provider said reaches the user without its JSON', async () => {
  const { completion } = await fail(status(400, {}));
  expect(completion).toMatchObject({ failure: { message: 'said the provider' } });
});

test('a lost stream is shown before Codex tries again', async () => {
  const { events } = await fail(cut());
  expect(events).toContainEqual({ type: 'reconnecting', message: 'Reconnecting... 1/1' });
});

test('a failure without a reason, or with one of a later version, is of kind other', () => {
  expect(toTurnFailure(null)).toMatchObject({ kind: 'other' });
  for (const codexErrorInfo of ['newWord', { newWord: { depth: 3 } }, {}, null]) {
    expect(toTurnFailure({ message: 'm', codexErrorInfo })).toEqual({
      kind: 'other',
      message: 'm',
    });
  }
});
