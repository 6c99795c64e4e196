import { expect, test } from 'vitest';
import { NO_USAGE, type TokenUsage } from '../../src/gateway/spending/token-usage.ts';
import { fakeAnswer } from './fake-answer.ts';
import { ask, startRig } from './rig.ts';

const USAGE = {
  input_tokens: 1000,
  input_tokens_details: { cached_tokens: 200 },
  output_tokens: 50,
  output_tokens_details: { reasoning_tokens: 10 },
  total_tokens: 1050,
};
const COUNTED: TokenUsage = {
  input_tokens: 1000,
  cached_input_tokens: 200,
  output_tokens: 50,
  reasoning_output_tokens: 10,
  total_tokens: 1050,
  model_requests: 1,
};

test('the usage of all requests since the meter was started is added up', async () => {
  await using rig = await startRig();
  await ask(rig.port);
  const meter = rig.gateway.startMetering('agent-1');
  await ask(rig.port);
  await ask(rig.port);
  expect(meter.stop()).toEqual({
    input_tokens: 2000,
    cached_input_tokens: 400,
    output_tokens: 100,
    reasoning_output_tokens: 20,
    total_tokens: 2100,
    model_requests: 2,
  });
  expect(rig.gateway.startMetering('agent-1').stop()).toEqual(NO_USAGE);
});

test.each(['completed', 'incomplete', 'failed'])('response.%s counts', async (end) => {
  expect(await meter(stream({ type: `response.${end}`, response: { usage: USAGE } }))).toEqual(
    COUNTED,
  );
});

test('the end of an answer is found wherever chunks are split', async () => {
  const answer = Buffer.from(
    stream(
      { type: 'response.output_text.delta', delta: 'Grüße 👋 "response.completed"' },
      { type: 'response.completed', response: { usage: USAGE } },
    ),
  );
  for (const size of [1, 7, 4096]) {
    const chunks = Array.from({ length: Math.ceil(answer.length / size) }, (_, index) =>
      answer.subarray(index * size, (index + 1) * size),
    );
    expect(await meter(...chunks)).toEqual(COUNTED);
  }
});

test('lines may end as on Windows, and events need no name', async () => {
  const data = JSON.stringify({ type: 'response.completed', response: { usage: USAGE } });
  expect(await meter(`: hello\r\n\r\ndata: ${data}\r`, '\n\r\n')).toEqual(COUNTED);
});

test('missing parts of the usage count as nothing', async () => {
  const usage = { input_tokens: 7, output_tokens: 3, input_tokens_details: null };
  const counted = await meter(stream({ type: 'response.completed', response: { usage } }));
  expect(counted).toEqual({
    ...NO_USAGE,
    input_tokens: 7,
    output_tokens: 3,
    total_tokens: 10,
    model_requests: 1,
  });
});

test('an answer that is JSON counts', async () => {
  await using upstream = await fakeAnswer((response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ output: [], usage: USAGE }));
  });
  await using rig = await startRig({ upstreamUrl: upstream.url });
  const usage = rig.gateway.startMetering('agent-1');
  await ask(rig.port, { path: '/v1/responses/compact' });
  expect(usage.stop()).toEqual(COUNTED);
});

function stream(...events: { type: string; [key: string]: unknown }[]): string {
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
}

/** What is counted for an answer that comes in these chunks; checks that it passes unharmed. */
async function meter(...chunks: (string | Buffer)[]): Promise<TokenUsage> {
  await using upstream = await fakeAnswer(async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    for (const chunk of chunks) await new Promise((resolve) => response.write(chunk, resolve));
    response.end();
  });
  await using rig = await startRig({ upstreamUrl: upstream.url });
  const usage = rig.gateway.startMetering('agent-1');
  const { body } = await ask(rig.port);
  expect(body).toBe(Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))).toString());
  return usage.stop();
}
