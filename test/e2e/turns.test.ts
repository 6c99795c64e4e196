import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { answerAnything, runsOnce } from '../fakes/stand-in-model/script.ts';
import { silence } from '../fakes/stand-in-model/step.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

let target: TestServer;
let client: Connection;
beforeAll(async () => {
  target = await startTestServer({ runtime: 'process', script: answerAnything });
});
afterAll(() => target?.[Symbol.asyncDispose]());
beforeEach(async () => {
  target.model.setScript(answerAnything);
  client = await connect(target, 'sse', '?agent_id=a');
});
afterEach(() => client[Symbol.asyncDispose]());

/** How often the model was asked since; a turn of another test may have asked before. */
function countRequests(): () => number {
  const before = target.model.requests.length;
  return () => target.model.requests.length - before;
}

describe('a call that does not wait', () => {
  test('answers at once, and its result is waited for with progress', async () => {
    target.model.setScript(runsOnce('echo a > a.txt; sleep 1'));
    const accepted = await call(client, 'implement', { task: 'x', wait: false });
    expect(accepted).toEqual({ turn_id: expect.any(String), agent_id: 'a', state: 'queued' });
    client.progress.length = 0;
    const ended = await call(client, 'wait_turn', { turn_id: accepted.turn_id });
    expect(ended).toMatchObject({ state: 'completed', error: null });
    expect(ended.result.changes).toMatchObject([{ file: 'a.txt' }]);
    expect(client.progress.join()).toContain('Running: echo a');
    const { state } = await call(client, 'get_turn', { turn_id: accepted.turn_id });
    expect(state).toBe('completed');
  });

  test('is waited for no longer than asked', async () => {
    target.model.setScript(silence);
    const { turn_id } = await call(client, 'plan', { task: 'x', wait: false });
    const waited = await call(client, 'wait_turn', { turn_id, timeout_seconds: 1 });
    expect(waited).toMatchObject({ result: null, error: null, ended_at: null });
    await call(client, 'cancel_turn', { turn_id });
  });

  test('can be cancelled while it runs and while it waits', async () => {
    target.model.setScript(silence);
    const requests = countRequests();
    const running = await call(client, 'plan', { task: '1', wait: false });
    const waiting = await call(client, 'plan', { task: '2', wait: false });
    await expect.poll(requests).toBe(1);
    for (const { turn_id } of [waiting, running]) {
      expect(await call(client, 'cancel_turn', { turn_id })).toMatchObject({
        state: 'interrupted',
        error: { code: 'cancelled' },
      });
    }
    const { turns } = await call(client, 'list_turns', { agent_id: 'a' });
    const newest = turns.slice(0, 2).map(({ turn_id }: { turn_id: string }) => turn_id);
    expect(newest).toEqual([waiting.turn_id, running.turn_id]);
    target.model.setScript(answerAnything);
    await expect(call(client, 'plan', { task: '3' })).resolves.toBeTruthy();
  });
});

describe('files to read first', () => {
  test('that are not there are told of', async () => {
    target.model.setScript(runsOnce('echo a > read.txt'));
    const ask = (context_files: string[]) =>
      call(client, 'implement', { task: 'x', context_files });
    const first = await ask(['read.txt', 'src/b.txt']);
    expect(first.notes).toEqual(['Not in the workspace: read.txt, src/b.txt.']);
    expect((await ask(['./read.txt'])).notes).toBeUndefined();
  });

  test('are in the workspace, or the call is wrong', async () => {
    const requests = countRequests();
    for (const file of ['/etc/passwd', '../other', 'src/../..', 'a\0b']) {
      for (const [tool, args] of [
        ['implement', { task: 'x' }],
        ['fix', { symptoms: ['x'] }],
        ['debug', { problem: 'x' }],
      ] as const) {
        const asked = call(client, tool, { ...args, context_files: ['ok.txt', file] });
        await expect(asked, `${tool} ${file}`).rejects.toMatchObject({ code: 'invalid_input' });
      }
    }
    expect(requests()).toBe(0);
  });
});

describe('an idempotency key', () => {
  test('never runs the work twice, at the same time or later', async () => {
    const requests = countRequests();
    const args = { task: 'x', idempotency_key: 'once' };
    const [first, second] = await Promise.all([
      call(client, 'plan', args),
      call(client, 'plan', args),
    ]);
    expect(second).toEqual(first);
    expect(await call(client, 'plan', args)).toEqual(first);
    expect(requests()).toBe(1);
  });

  test('with another body is an error', async () => {
    const args = { idempotency_key: 'twice' };
    await call(client, 'plan', { ...args, task: 'x' });
    await expect(call(client, 'plan', { ...args, task: 'y' })).rejects.toMatchObject({
      code: 'idempotency_conflict',
    });
    await expect(call(client, 'plan', { ...args, agent_id: 'b', task: 'y' })).resolves.toBeTruthy();
  });
});

test('a turn that is not known is told so', async () => {
  for (const tool of ['get_turn', 'wait_turn', 'cancel_turn']) {
    await expect(call(client, tool, { turn_id: 'nope' })).rejects.toMatchObject({
      code: 'turn_not_found',
    });
  }
  expect((await fetch(`${target.url}/api/v1/turns/nope`)).status).toBe(404);
  expect((await fetch(`${target.url}/api/v1/turns/nope/events`)).status).toBe(404);
});

describe('the events of a turn over HTTP', () => {
  test('are told as they happen, and again from a number on, if it is one', async () => {
    target.model.setScript(runsOnce('echo b > b.txt; sleep 1'));
    const { turn_id } = await call(client, 'implement', { task: 'x', wait: false });
    const url = `${target.url}/api/v1/turns/${turn_id}/events`;
    const live = await events(url);
    expect(live.map(({ event }) => event)).toEqual(
      expect.arrayContaining([
        'turn_started',
        'command_started',
        'command_completed',
        'message',
        'end',
      ]),
    );
    const numbers = live.slice(0, -1).map(({ id }) => Number(id));
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    expect(live.at(-1)?.data).toMatchObject({ state: 'completed' });
    const again = await events(url, '2');
    expect(again).toEqual(live.slice(2));
    const unknown = { 'last-event-id': 'yesterday', accept: 'text/event-stream' };
    expect((await fetch(url, { headers: unknown })).status).toBe(400);
    const turn = await (await fetch(`${target.url}/api/v1/turns/${turn_id}`)).json();
    expect(turn).toMatchObject({ turn_id, state: 'completed', result: { turn_id } });
  });
});

test('calls to different agents run side by side', async () => {
  let open = 0;
  const bothOpen = Promise.withResolvers<void>();
  target.model.setScript(async (request) => {
    open += 1;
    if (open === 2) bothOpen.resolve();
    // One after the other, neither of them would be answered.
    await bothOpen.promise;
    return answerAnything(request);
  });
  const agents = ['a', 'b'].map((agent_id) => call(client, 'plan', { task: 'x', agent_id }));
  await expect(Promise.all(agents)).resolves.toHaveLength(2);
});

async function events(url: string, lastEventId?: string) {
  const response = await fetch(url, {
    headers: {
      accept: 'text/event-stream',
      ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    },
  });
  const blocks = (await response.text()).split('\n\n').filter((block) => /^data:/m.test(block));
  return blocks.map((block) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
    return { id: field('id'), event: field('event'), data: JSON.parse(field('data') ?? 'null') };
  });
}
