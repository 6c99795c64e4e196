import { duplexPair } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { connectAppServer } from '../../src/codex/app-server-client.ts';
import { CodexSilent } from '../../src/codex/connection/heartbeat.ts';
import type {
  ServerRequest,
  ServerRequestAnswer,
} from '../../src/codex/server-requests/server-request.ts';
import type { TurnEvent } from '../../src/turns/events/turn-event.ts';
import { FakeAppServer, TURN } from './fake-app-server.ts';

const message = (text: string, phase: string | null = null, id = 'item-1') => ({
  item: { type: 'agentMessage', id, text, phase },
});

test('a Codex of another line is refused with both versions named', async () => {
  const server = new FakeAppServer({}, 'codex-mcp-server/0.170.1 (Debian 12)');
  await expect(server.connect()).rejects.toMatchObject({
    code: 'codex_incompatible',
    message: expect.stringMatching(/0\.170\.1.*0\.169\.x/),
  });
  expect(server.received.map(({ method }) => method)).toEqual(['initialize']);
  expect(server.stream.destroyed).toBe(true);
});

test('a Codex that hides its version is refused', async () => {
  await expect(new FakeAppServer({}, 'nonsense').connect()).rejects.toMatchObject({
    code: 'codex_incompatible',
  });
});

test('a stream that nobody answers on is given up after the time limit', async () => {
  const server = new FakeAppServer({ initialize: () => undefined });
  await expect(server.connect(50)).rejects.toMatchObject({
    code: 'codex_failed',
    message: 'Codex did not answer initialize within 50 ms.',
  });
});

test('a peer that nothing is expected of may be silent, and no other', async () => {
  const server = new FakeAppServer({ 'turn/interrupt': () => undefined });
  const client = await server.connect(60_000, 100);
  server.freeze();
  await sleep(400);
  const interrupting = client.interruptTurn('thread-1', 'turn-1');
  await expect(interrupting).rejects.toMatchObject({ cause: expect.any(CodexSilent) });
  expect(await client.closed).toBeInstanceOf(CodexSilent);
});

test('a stream that dies in the handshake fails the connection at once', async () => {
  const server = new FakeAppServer({ initialize: () => undefined });
  const connecting = server.connect(60_000);
  server.stream.destroy(new Error('engine gone'));
  await expect(connecting).rejects.toMatchObject({
    code: 'codex_failed',
    cause: expect.objectContaining({ message: 'engine gone' }),
  });
});

test.each([
  ['says something else', 'SSH-2.0-OpenSSH\r\n'],
  ['refuses', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'],
  ['hangs up', ''],
])('a peer that %s in place of the handshake fails the connection at once', async (_, bytes) => {
  const [stream, far] = duplexPair();
  far.resume().end(bytes);
  const connecting = connectAppServer({
    stream,
    log: pino({ level: 'silent' }),
    requestTimeoutMs: 60_000,
    silenceMs: 60_000,
    clientVersion: '0.0.1',
  });
  await expect(connecting).rejects.toMatchObject({ code: 'codex_failed' });
});

test.each(['before', 'after'])(
  'events that come %s the reply to turn/start are all given, in order',
  async (order) => {
    const server = new FakeAppServer({
      'turn/start': (_params, self) => {
        const events = () => {
          self.notify('turn/started', { turn: { id: 'turn-1' } });
          self.notify('item/completed', message('hello'));
          self.endTurn();
        };
        if (order === 'before') events();
        else setTimeout(events, 5);
        return { turn: { id: 'turn-1' } };
      },
    });
    const client = await server.connect();
    const events: TurnEvent[] = [];
    const turn = await client.startTurn(TURN, (event) => events.push(event));
    expect(events).toHaveLength(order === 'before' ? 2 : 0);
    expect(await turn.completed).toEqual({ status: 'completed', finalMessage: 'hello' });
    expect(events).toEqual([
      { type: 'turn_started', turnId: 'turn-1' },
      { type: 'message', itemId: 'item-1', text: 'hello' },
    ]);
  },
);

test('events and ends of other threads and other turns are not ours', async () => {
  const server = new FakeAppServer();
  const client = await server.connect();
  const events: TurnEvent[] = [];
  const turn = await client.startTurn(TURN, (event) => events.push(event));
  const child = { threadId: 'thread-of-child', turnId: 'turn-of-child' };
  server.notify('item/completed', { ...child, ...message('from a child') });
  server.notify('turn/completed', { ...child, turn: { id: 'turn-1', status: 'completed' } });
  server.notify('item/completed', { turnId: 'turn-0', ...message('from an older turn') });
  server.notify('turn/completed', { turn: { id: 'turn-0', status: 'failed', error: null } });
  server.notify('item/completed', message('ours'));
  server.endTurn();
  expect(await turn.completed).toEqual({ status: 'completed', finalMessage: 'ours' });
  expect(events).toEqual([{ type: 'message', itemId: 'item-1', text: 'ours' }]);
});

test('the final answer is preferred to a comment that follows it', async () => {
  const server = new FakeAppServer();
  const client = await server.connect();
  const turn = await client.startTurn(TURN, () => undefined);
  server.notify('item/completed', message('on my way', 'commentary', 'a'));
  server.notify('item/completed', message('42', 'final_answer', 'b'));
  server.notify('item/completed', message('that was it', 'commentary', 'c'));
  server.endTurn();
  expect(await turn.completed).toEqual({ status: 'completed', finalMessage: '42' });
});

test('a second turn on a busy thread is refused, and allowed once the first has ended', async () => {
  const server = new FakeAppServer();
  const client = await server.connect();
  const first = await client.startTurn(TURN, () => undefined);
  await expect(client.startTurn(TURN, () => undefined)).rejects.toThrow('running');
  server.endTurn();
  await first.completed;
  await client.startTurn(TURN, () => undefined);
  expect(server.received.filter(({ method }) => method === 'turn/start')).toHaveLength(2);
});

test('no turn is started on a thread that was resumed in the middle of one', async () => {
  const thread = { id: 'thread-1', status: { type: 'active', activeFlags: [] } };
  const server = new FakeAppServer({ 'thread/resume': () => ({ thread }) });
  const client = await server.connect();
  await client.resumeThread('thread-1', { cwd: '/workspace', model: 'gpt-5.5' });
  await expect(client.startTurn(TURN, () => undefined)).rejects.toThrow('running');
  server.notify('thread/status/changed', { status: { type: 'idle' } });
  await expect.poll(() => client.startTurn(TURN, () => undefined).then(() => true)).toBe(true);
});

test('a turn/start without an answer ends the connection, so that nothing steers that turn', async () => {
  const server = new FakeAppServer({ 'turn/start': () => undefined });
  const client = await server.connect(50);
  await expect(client.startTurn(TURN, () => undefined)).rejects.toMatchObject({
    code: 'codex_failed',
  });
  expect(await client.closed).toBeInstanceOf(Error);
});

test('garbage does not disturb a turn', async () => {
  const server = new FakeAppServer();
  const client = await server.connect();
  const turn = await client.startTurn(TURN, () => undefined);
  server.sendText('{"half":');
  server.sendText('[]');
  server.sendText('');
  server.send({ id: 4711, result: {} });
  server.send({ id: 'x', error: { code: 1 } });
  server.send({ method: 'turn/completed', params: { threadId: 'thread-1' } });
  server.notify('item/completed', { item: { type: 'agentMessage', id: 1 } });
  server.notify('item/completed', { item: { type: 'of a later version' } });
  server.notify('item/completed', message('still here'));
  server.endTurn();
  expect(await turn.completed).toEqual({ status: 'completed', finalMessage: 'still here' });
});

test('every request of Codex gets an answer, one that nobody knows too', async () => {
  const server = new FakeAppServer();
  await server.connect();
  const params = { threadId: 'of another', turnId: 'x', itemId: 'y' };
  server.send({ id: 0, method: 'item/commandExecution/requestApproval', params });
  server.send({ id: 'b', method: 'of/aLaterVersion', params: {} });
  expect(await server.replyTo(0)).toEqual({ id: 0, result: { decision: 'decline' } });
  expect(await server.replyTo('b')).toMatchObject({ id: 'b', error: { code: -32601 } });
});

test('what Codex asks for in a turn is answered by who listens to it, while other messages are read', async () => {
  const server = new FakeAppServer();
  const client = await server.connect();
  const events: string[] = [];
  const asked: ServerRequest[] = [];
  const decision = Promise.withResolvers<ServerRequestAnswer>();
  const turn = await client.startTurn(
    TURN,
    ({ type }) => events.push(type),
    (ask) => {
      asked.push(ask);
      return decision.promise;
    },
  );
  const of = { threadId: 'thread-1', turnId: 'turn-1', itemId: 'item' };
  const changes = [{ path: '/workspace/a.txt', kind: { type: 'add' }, diff: '+a' }];
  server.notify('item/started', {
    item: { type: 'fileChange', id: 'item', changes, status: 'inProgress' },
  });
  server.send({ id: 0, method: 'item/fileChange/requestApproval', params: of });
  const other = { ...of, turnId: 'turn-0', command: 'ls' };
  server.send({ id: 1, method: 'item/commandExecution/requestApproval', params: other });
  server.notify('item/completed', message('still here'));
  await expect.poll(() => events).toContain('message');
  expect(await server.replyTo(1)).toMatchObject({ result: { decision: 'decline' } });
  expect(asked).toMatchObject([
    {
      kind: 'patch',
      operation: 'change /workspace/a.txt',
      arguments: { changes: [{ diff: '+a' }] },
    },
  ]);
  expect(server.received.some(({ id, method }) => id === 0 && !method)).toBe(false);
  decision.resolve({ approve: true });
  expect(await server.replyTo(0)).toEqual({ id: 0, result: { decision: 'accept' } });
  server.endTurn();
  await turn.completed;
});

test('what Codex asks again as its thread is resumed waits for the turn to be joined', async () => {
  const of = { threadId: 'thread-1', turnId: 'turn-1', itemId: 'item' };
  const ask = { id: 7, method: 'item/commandExecution/requestApproval', params: of };
  const server: FakeAppServer = new FakeAppServer({
    'thread/resume': () => {
      server.send(ask);
      return { thread: { id: 'thread-1', status: { type: 'active' } } };
    },
    'thread/turns/list': () => ({
      data: [
        {
          id: 'turn-1',
          status: 'inProgress',
          items: [{ type: 'userMessage', clientId: TURN.clientMessageId }],
        },
      ],
    }),
  });
  const client = await server.connect();
  await client.resumeThread('thread-1', { cwd: '/workspace', model: 'm' });
  await sleep(50);
  const keys: string[] = [];
  await client.joinTurn(
    'thread-1',
    TURN.clientMessageId,
    () => undefined,
    async ({ key }) => {
      keys.push(key);
      return { approve: true };
    },
  );
  expect(await server.replyTo(7)).toEqual({ id: 7, result: { decision: 'accept' } });
  expect(keys).toEqual(['thread-1/turn-1/item//7']);
});

test('of what MCP servers ask, only calls of their tools are shown to people', async () => {
  const server = new FakeAppServer();
  const client = await server.connect();
  const asked: ServerRequest[] = [];
  await client.startTurn(
    TURN,
    () => undefined,
    async (ask) => {
      asked.push(ask);
      return { approve: true };
    },
  );
  const of = { threadId: 'thread-1', turnId: 'turn-1', serverName: 'garden', mode: 'form' };
  const method = 'mcpServer/elicitation/request';
  const _meta = { codex_approval_kind: 'mcp_tool_call', tool: 'plant' };
  server.send({ id: 1, method, params: { ...of, message: 'Plant?', requestedSchema: {}, _meta } });
  server.send({ id: 2, method, params: { ...of, message: 'Your name?', requestedSchema: {} } });
  expect(await server.replyTo(1)).toMatchObject({ result: { action: 'accept', content: {} } });
  expect(await server.replyTo(2)).toMatchObject({ result: { action: 'decline' } });
  expect(asked).toMatchObject([
    { kind: 'mcp_tool', operation: 'garden: Plant?', arguments: { call: { tool: 'plant' } } },
  ]);
});

test('a question of Codex is answered by its ids', async () => {
  const server = new FakeAppServer();
  const client = await server.connect();
  await client.startTurn(
    TURN,
    () => undefined,
    async () => ({ approve: true, answers: { colour: 'green', other: 'x' } }),
  );
  const questions = [{ id: 'colour', question: 'Which colour?', options: null }];
  const params = { threadId: 'thread-1', turnId: 'turn-1', itemId: 'item', questions };
  server.send({ id: 1, method: 'item/tool/requestUserInput', params });
  expect(await server.replyTo(1)).toEqual({
    id: 1,
    result: { answers: { colour: { answers: ['green'] } } },
  });
});

test('a peer that asks for more than anybody answers is told so', async () => {
  const server = new FakeAppServer();
  const client = await server.connect();
  const never = new Promise<ServerRequestAnswer>(() => undefined);
  await client.startTurn(
    TURN,
    () => undefined,
    () => never,
  );
  const params = { threadId: 'thread-1', turnId: 'turn-1', itemId: 'item' };
  const method = 'item/fileChange/requestApproval';
  for (let id = 0; id < 150; id += 1) server.send({ id, method, params });
  expect(await server.replyTo(149)).toMatchObject({ error: { code: -32000 } });
  expect(server.received.filter(({ error }) => error)).toHaveLength(22);
});

test('a peer that asks without end and never reads is not read on', async () => {
  const server = new FakeAppServer();
  const client = await server.connect();
  // Nothing takes the replies out of the stream that leads back to the server.
  server.stream.cork();
  const padding = 'x'.repeat(1000);
  for (let id = 0; id < 20_000; id += 1) server.send({ id, method: padding, params: {} });
  await sleep(300);
  expect(server.unsent).toBeGreaterThan(1_000_000);
  server.stream.destroy();
  await client.closed;
});

test('a message over the limit ends the connection', async () => {
  const server = new FakeAppServer();
  const client = await server.connect();
  const turn = await client.startTurn(TURN, () => undefined);
  server.sendText(JSON.stringify({ method: 'warning', params: 'x'.repeat(33 * 1024 * 1024) }));
  await expect(turn.completed).rejects.toMatchObject({ code: 'codex_failed' });
  expect(await client.closed).toMatchObject({ message: expect.stringMatching(/payload size/i) });
});

test('no more than 8 MiB are kept of what comes before the turn has a name', async () => {
  const server = new FakeAppServer({
    'turn/start': (_, self) => {
      for (let count = 0; count < 12; count += 1) {
        self.notify('item/completed', message(`${count} ${'x'.repeat(1024 * 1024)}`));
      }
      return { turn: { id: 'turn-1' } };
    },
  });
  const client = await server.connect();
  const events: TurnEvent[] = [];
  const turn = await client.startTurn(TURN, (event) => events.push(event));
  server.notify('item/completed', message('done', 'final_answer'));
  server.endTurn();
  expect(await turn.completed).toEqual({ status: 'completed', finalMessage: 'done' });
  expect(events).toHaveLength(7 + 1);
});

test('a thought that comes in pieces and never ends is not kept whole', async () => {
  const server = new FakeAppServer();
  const client = await server.connect();
  const events: TurnEvent[] = [];
  const turn = await client.startTurn(TURN, (event) => events.push(event));
  server.notify('item/started', { item: { type: 'reasoning', id: 'r', summary: [] } });
  const part = { itemId: 'r', summaryIndex: 0 };
  for (let count = 0; count < 300; count += 1) {
    server.notify('item/reasoning/summaryTextDelta', { ...part, delta: 'x'.repeat(1000) });
  }
  server.notify('item/reasoning/summaryPartAdded', { itemId: 'r', summaryIndex: 1 });
  server.endTurn();
  await turn.completed;
  expect(events).toEqual([{ type: 'thinking', text: 'x'.repeat(66_000) }]);
});

test('an interrupt waits until Codex works on the turn, and would not refuse it', async () => {
  const server = new FakeAppServer({ 'turn/interrupt': () => ({}) });
  const client = await server.connect();
  const turn = await client.startTurn(TURN, () => undefined);
  const interrupting = client.interruptTurn('thread-1', turn.turnId);
  await sleep(20);
  expect(server.received.at(-1)?.method).toBe('turn/start');
  server.notify('turn/started', { turn: { id: 'turn-1' } });
  await interrupting;
  expect(server.received.at(-1)?.method).toBe('turn/interrupt');
});

test('closing settles everything and is not a failure', async () => {
  const server = new FakeAppServer();
  const client = await server.connect();
  const turn = await client.startTurn(TURN, () => undefined);
  const interrupting = client.interruptTurn('thread-1', 'turn-0');
  await Promise.all([
    client.close(),
    expect(interrupting).rejects.toMatchObject({ code: 'codex_failed' }),
    expect(turn.completed).rejects.toMatchObject({ code: 'codex_failed' }),
  ]);
  expect(await client.closed).toBeUndefined();
  await expect(client.cleanBackgroundTerminals('thread-1')).rejects.toMatchObject({
    code: 'codex_failed',
  });
});

test('an item that is sent again after a lost stream is not thought twice', async () => {
  const server = new FakeAppServer();
  const client = await server.connect();
  const events: TurnEvent[] = [];
  const turn = await client.startTurn(TURN, (event) => events.push(event));
  const attempt = () => {
    server.notify('item/started', { item: { type: 'reasoning', id: 'r', summary: [] } });
    const part = { itemId: 'r', summaryIndex: 0 };
    server.notify('item/reasoning/summaryPartAdded', part);
    server.notify('item/reasoning/summaryTextDelta', { ...part, delta: 'Look' });
  };
  attempt();
  const error = { message: 'Reconnecting... 1/5', codexErrorInfo: 'other' };
  server.notify('error', { error, willRetry: true });
  attempt();
  server.notify('item/reasoning/summaryPartAdded', { itemId: 'r', summaryIndex: 1 });
  server.notify('item/completed', {
    item: { type: 'reasoning', id: 'r', summary: ['Look', 'Leap'] },
  });
  server.endTurn();
  await turn.completed;
  expect(events).toEqual([
    { type: 'reconnecting', message: 'Reconnecting... 1/5' },
    { type: 'thinking', text: 'Look' },
    { type: 'thinking', text: 'Leap' },
  ]);
});
