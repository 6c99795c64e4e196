import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { http, silence, text } from '../fakes/stand-in-model/step.ts';
import { fakeAnswer } from './fake-answer.ts';
import { ask, begin, REAL_KEY, startRig, until } from './rig.ts';

describe('how answers pass', () => {
  test('the first words arrive long before the last', async () => {
    const script = () => text('one two three four five', { chunkDelayMs: 200 });
    await using rig = await startRig({ script });
    const response = await begin(rig.port);
    let seen = '';
    for await (const chunk of response) {
      seen += String(chunk);
      if (seen.includes('one')) break;
    }
    expect(seen).not.toContain('five');
  });

  test('a client that is gone ends the request of the model', async () => {
    await using rig = await startRig({
      script: () => text('a b c d e f g', { chunkDelayMs: 500 }),
    });
    const response = await begin(rig.port);
    response.destroy();
    expect(await rig.model.requests[0]?.ended).toBe('aborted');
  });

  test('a client that goes before the answer ends the request too', async () => {
    await using rig = await startRig({ script: () => silence() });
    const gone = new AbortController();
    const waiting = begin(rig.port, { signal: gone.signal });
    await until(() => rig.model.requests.length === 1);
    gone.abort();
    await expect(waiting).rejects.toThrow();
    expect(await rig.model.requests[0]?.ended).toBe('aborted');
  });

  test('an answer that breaks off is seen to break off', async () => {
    await using upstream = await fakeAnswer((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {}\n\n', () => setTimeout(() => response.destroy(), 20));
    });
    await using rig = await startRig({ upstreamUrl: upstream.url });
    await expect(ask(rig.port)).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(rig.gateway.lastFailure('agent-1')).toMatchObject({ code: 'model_unavailable' });
  });

  test('cookies and hop-by-hop headers stay behind, limits and ids pass', async () => {
    await using upstream = await fakeAnswer((response) => {
      response.writeHead(200, {
        'content-type': 'application/json',
        'set-cookie': 'a=b',
        'x-codex-primary-used-percent': '12',
        'x-request-id': 'req_1',
        'openai-processing-ms': '5',
        server: 'secret',
      });
      response.end('{}');
    });
    await using rig = await startRig({ upstreamUrl: upstream.url });
    const { headers } = await ask(rig.port);
    expect(headers).toMatchObject({
      'x-codex-primary-used-percent': '12',
      'x-request-id': 'req_1',
      'openai-processing-ms': '5',
    });
    expect(headers).not.toHaveProperty('set-cookie');
    expect(headers).not.toHaveProperty('server');
  });

  test('a slow reader slows the model down instead of filling the memory', async () => {
    let sent = 0;
    await using upstream = await fakeAnswer(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const line = `data: ${'x'.repeat(1024 * 1024)}\n\n`;
      for (; sent < 200 && !response.destroyed; sent += 1) {
        if (!response.write(line)) await new Promise((resolve) => response.once('drain', resolve));
      }
      response.end();
    });
    await using rig = await startRig({ upstreamUrl: upstream.url });
    const response = await begin(rig.port);
    response.pause();
    await sleep(1000);
    expect(sent).toBeLessThan(30);
    response.destroy();
  });

  test('100 requests pass at the same time', async () => {
    await using rig = await startRig();
    const replies = await Promise.all(Array.from({ length: 100 }, () => ask(rig.port)));
    expect(replies.every(({ status }) => status === 200)).toBe(true);
  });

  test('a key that the provider repeats does not reach the agent', async () => {
    const script = () => http(400, { error: { message: `Bad key ${REAL_KEY}` } });
    await using rig = await startRig({ script });
    const { status, body } = await ask(rig.port);
    expect(status).toBe(400);
    expect(body).toContain('[redacted]');
    expect(body + rig.logged()).not.toContain(REAL_KEY);
  });
});

describe('holding answers back', () => {
  test('an answer waits until the hold is over', async () => {
    await using rig = await startRig();
    const ready = Promise.withResolvers<void>();
    rig.gateway.hold('agent-1', ready.promise);
    let answered = false;
    const answer = ask(rig.port).finally(() => {
      answered = true;
    });
    await until(() => rig.model.requests.length === 1);
    await sleep(200);
    expect(answered).toBe(false);
    ready.resolve();
    expect((await answer).status).toBe(200);
  });

  test('a hold that fails is answered 400 with the reason', async () => {
    await using rig = await startRig();
    const failure = new AppError('workspace_failed', 'The snapshot failed.');
    rig.gateway.hold('agent-1', Promise.reject(failure));
    const { status, body } = await ask(rig.port);
    expect(status).toBe(400);
    expect(JSON.parse(body).error.message).toBe('The snapshot failed.');
    expect(rig.gateway.lastFailure('agent-1')).toMatchObject({ code: 'workspace_failed' });
    rig.gateway.hold('agent-1', Promise.resolve());
    expect((await ask(rig.port)).status).toBe(200);
  });
});
