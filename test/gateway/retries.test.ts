import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { askedWait } from '../../src/gateway/retry-policy.ts';
import type { Script } from '../fakes/stand-in-model/script.ts';
import { startStandInModel } from '../fakes/stand-in-model/stand-in-model.ts';
import { failed, http, refuse, type Step, text } from '../fakes/stand-in-model/step.ts';
import { freePort } from '../machine/free-port.ts';
import { ask, REAL_KEY, startRig } from './rig.ts';

const RATE_LIMIT = {
  error: { message: 'Slow down.', type: 'requests', code: 'rate_limit_exceeded' },
};
const QUOTA = { error: { message: 'Plan used up.', type: 'insufficient_quota' } };
const USAGE_LIMIT = {
  error: { message: 'The usage limit has been reached', type: 'usage_limit_reached' },
};

describe('a rate limit', () => {
  test('is waited out for as long as the provider says', async () => {
    const script = failing(1, http(429, RATE_LIMIT, { 'retry-after': '1' }));
    await using rig = await startRig({ script });
    const started = performance.now();
    expect((await ask(rig.port)).status).toBe(200);
    expect(performance.now() - started).toBeGreaterThan(990);
    expect(rig.model.requests).toHaveLength(2);
    expect(rig.model.requests[1]?.body).toEqual(rig.model.requests[0]?.body);
    expect(rig.gateway.lastFailure('agent-1')).toBeUndefined();
  });

  test('is handed on after so many repeats', async () => {
    const script = () => http(429, RATE_LIMIT, { 'retry-after-ms': '10' });
    await using rig = await startRig({ script, maxRetries: 3 });
    const { status, headers, body } = await ask(rig.port);
    expect(status).toBe(429);
    expect(headers['retry-after-ms']).toBe('10');
    expect(JSON.parse(body)).toEqual(RATE_LIMIT);
    expect(rig.model.requests).toHaveLength(4);
    expect(rig.gateway.lastFailure('agent-1')).toEqual({
      status: 429,
      code: 'model_rate_limited',
      message: 'Slow down.',
    });
  });

  test('is never waited for longer than allowed', async () => {
    const script = failing(1, http(429, RATE_LIMIT, { 'retry-after': '3600' }));
    await using rig = await startRig({ script, maxRetryWaitSeconds: 0.05 });
    expect((await ask(rig.port)).status).toBe(200);
  });

  test('is not waited out for a client that has gone', async () => {
    const script = () => http(429, RATE_LIMIT, { 'retry-after-ms': '300' });
    await using rig = await startRig({ script });
    const signal = AbortSignal.timeout(100);
    await expect(ask(rig.port, { signal })).rejects.toThrow();
    await sleep(500);
    expect(rig.model.requests).toHaveLength(1);
  });

  test.each([QUOTA, USAGE_LIMIT])('that is a used-up quota is handed on at once', async (body) => {
    await using rig = await startRig({ script: () => http(429, body) });
    expect((await ask(rig.port)).status).toBe(429);
    expect(rig.model.requests).toHaveLength(1);
    expect(rig.gateway.lastFailure('agent-1')?.code).toBe('model_quota_exceeded');
  });

  test('may ask to wait in seconds, in milliseconds or until a date', () => {
    const now = Date.parse('2026-11-20T10:00:00Z');
    expect(askedWait({ 'retry-after': '2' }, now)).toBe(2000);
    expect(askedWait({ 'retry-after': '2', 'retry-after-ms': '150' }, now)).toBe(150);
    expect(askedWait({ 'retry-after': 'Fri, 20 Nov 2026 10:00:05 GMT' }, now)).toBe(5000);
    expect(askedWait({ 'retry-after': 'Fri, 20 Nov 2026 09:00:00 GMT' }, now)).toBe(0);
    expect(askedWait({ 'retry-after': 'soon' }, now)).toBeUndefined();
    expect(askedWait({}, now)).toBeUndefined();
  });
});

describe('an outage of the model', () => {
  test('is hidden from a waiting client', async () => {
    const port = await freePort();
    await using rig = await startRig({ upstreamUrl: `http://127.0.0.1:${port}/v1` });
    const waiting = ask(rig.port);
    await sleep(1000);
    expect(rig.gateway.lastFailure('agent-1')).toMatchObject({
      status: undefined,
      code: 'model_unavailable',
    });
    await using model = await startStandInModel({
      port,
      apiKey: REAL_KEY,
      script: () => text('Hi'),
    });
    expect((await waiting).status).toBe(200);
    expect(model.requests).toHaveLength(1);
    expect(rig.gateway.lastFailure('agent-1')).toBeUndefined();
  });

  test.each([
    ['a broken connection', refuse()],
    ['status 503', http(503)],
  ])('that shows as %s is hidden too', async (_name, step) => {
    await using rig = await startRig({ script: failing(2, step) });
    expect((await ask(rig.port)).status).toBe(200);
    expect(rig.model.requests).toHaveLength(3);
  });

  test('ends in a broken connection when patience is over, never in a 502', async () => {
    const upstreamUrl = `http://127.0.0.1:${await freePort()}/v1`;
    await using rig = await startRig({ upstreamUrl, outageTimeoutMs: 2000 });
    await expect(ask(rig.port)).rejects.toMatchObject({ code: 'ECONNRESET' });
    const started = performance.now();
    await expect(ask(rig.port)).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test('is waited out anew in the next turn', async () => {
    let away = true;
    const script = () => (away ? http(503) : text('Here.'));
    await using rig = await startRig({ script, outageTimeoutMs: 300 });
    expect((await ask(rig.port)).status).toBe(503);
    rig.gateway.startMetering('agent-1');
    const waiting = ask(rig.port);
    await sleep(100);
    away = false;
    expect((await waiting).status).toBe(200);
  });
});

test.each([401, 403])('a key that is refused with %i is not asked for again', async (refused) => {
  await using rig = await startRig({
    script: () => http(refused, { error: { type: 'x', code: 'y' } }),
  });
  expect((await ask(rig.port)).status).toBe(400);
  expect(rig.gateway.lastFailure('agent-1')).toMatchObject({
    status: refused,
    code: 'model_unauthorized',
  });
});

test.each<[Step, number, string]>([
  [http(400, { error: { message: 'Unknown model' } }), 400, 'model_rejected'],
  [http(400, { error: { code: 'context_length_exceeded' } }), 400, 'context_too_long'],
  [http(402), 402, 'model_quota_exceeded'],
  [http(404, { detail: 'Not Found' }), 404, 'model_rejected'],
  [http(500), 500, 'model_unavailable'],
  [failed('insufficient_quota'), 200, 'model_quota_exceeded'],
  [failed('context_length_exceeded'), 200, 'context_too_long'],
  [failed('rate_limit_exceeded'), 200, 'model_rate_limited'],
  [failed('server_error'), 200, 'model_unavailable'],
])('the failure of %o is handed on and told apart', async (step, status, code) => {
  await using rig = await startRig({ script: () => step });
  expect((await ask(rig.port)).status).toBe(status);
  expect(rig.gateway.lastFailure('agent-1')).toMatchObject({ status, code });
  rig.gateway.startMetering('agent-1');
  expect(rig.gateway.lastFailure('agent-1')).toBeUndefined();
});

/** Fails so many times and then answers. */
function failing(times: number, step: Step): Script {
  let asked = 0;
  return () => {
    asked += 1;
    return asked <= times ? step : text('Here.');
  };
}
