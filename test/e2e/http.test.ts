import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { answerAnything, runsOnce } from '../fakes/stand-in-model/script.ts';
import { silence } from '../fakes/stand-in-model/step.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

let target: TestServer;
beforeAll(async () => {
  target = await startTestServer({ runtime: 'process', script: answerAnything });
});
beforeEach(() => target.model.setScript(answerAnything));
afterAll(() => target?.[Symbol.asyncDispose]());

test('a plan is a curl away', async () => {
  const response = await fetch(`${target.url}/tools/plan`, {
    method: 'POST',
    body: JSON.stringify({ task: 'Say hello', agent_id: 'a' }),
    headers: { 'content-type': 'application/json' },
  });
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ agent_id: 'a', estimated_complexity: 'low' });
});

test('a stream of a call tells what Codex does, and ends with the result', async () => {
  target.model.setScript(runsOnce('echo a > a.txt; sleep 1'));
  const response = await fetch(`${target.url}/tools/implement`, {
    method: 'POST',
    body: JSON.stringify({ task: 'x', agent_id: 'a' }),
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
  });
  const events = (await response.text())
    .split('\n\n')
    .filter((event) => event.startsWith('event:'));
  expect(events.join()).toContain('Running: echo a > a.txt');
  expect(events.at(-1)).toMatch(/^event: result\ndata: \{.*"file":"a.txt"/);
});

test('hanging up on a call cancels it', async () => {
  target.model.setScript(silence);
  const asked = target.model.requests.length;
  const controller = new AbortController();
  const request = fetch(`${target.url}/tools/plan`, {
    method: 'POST',
    body: JSON.stringify({ task: 'x', agent_id: 'a' }),
    headers: { 'content-type': 'application/json' },
    signal: controller.signal,
  });
  request.catch(() => undefined);
  await expect.poll(() => target.model.requests.length).toBe(asked + 1);
  controller.abort();
  await using client = await connect(target);
  await expect
    .poll(async () => (await call(client, 'get_my_session_info', { agent_id: 'a' })).last_turns[0])
    .toMatchObject({ state: 'interrupted', error_code: 'cancelled' });
});

test('the agent comes from the argument, else the header, else the URL, else the session', async () => {
  const mine = async (url: string, headers: Record<string, string>, body: object) => {
    const response = await fetch(`${target.url}/tools/get_my_session_info${url}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    });
    return ((await response.json()) as { agent_id: string }).agent_id;
  };
  const header = { 'x-agent-id': 'from-header' };
  expect(await mine('?agent_id=from-url', header, { agent_id: 'from-argument' })).toBe(
    'from-argument',
  );
  expect(await mine('?agent_id=from-url', header, {})).toBe('from-header');
  expect(await mine('?agent_id=from-url', {}, {})).toBe('from-url');
  expect(await mine('', {}, {})).toMatch(/^session-[0-9a-f]{8}$/);
  await using client = await connect(target);
  const first = await call(client, 'get_my_session_info');
  const second = await call(client, 'get_my_session_info');
  expect(second.agent_id).toBe(first.agent_id);
});

test('a server that stops answers the calls that run', async () => {
  target.model.setScript(silence);
  const asked = target.model.requests.length;
  await using client = await connect(target);
  const running = call(client, 'plan', { task: 'x', agent_id: 'a' });
  running.catch(() => undefined);
  await expect.poll(() => target.model.requests.length).toBe(asked + 1);
  const began = performance.now();
  await target.stop();
  expect(performance.now() - began).toBeLessThan(30_000);
  await expect(running).rejects.toMatchObject({ code: 'shutting_down' });
  await target.restart();
});
