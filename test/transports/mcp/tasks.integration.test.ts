import fs from 'node:fs';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { ResponseMessage } from '@modelcontextprotocol/sdk/shared/responseMessage.js';
import {
  type CallToolResult,
  CallToolResultSchema,
  CreateTaskResultSchema,
  TaskStatusNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newAgent } from '../../../src/agents/agent.ts';
import { SqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { cleanSettings, connectStdio } from '../../cli/stdio-program.ts';
import { createWorld, kill } from '../../e2e/main-process.ts';
import {
  type Connection,
  call,
  connect,
  startTestServer,
  type TestServer,
} from '../../e2e/test-server.ts';
import { answerAnything, runsOnce } from '../../fakes/stand-in-model/script.ts';
import { http } from '../../fakes/stand-in-model/step.ts';
import { type ModernClient, modernClient } from './modern-client.ts';

const WORKING_TOOLS = [
  'plan',
  'implement',
  'review',
  'fix',
  'chat',
  'audit',
  'debug',
  'codex',
  'codex-reply',
];
const PLAN = { name: 'plan', arguments: { task: 'x', agent_id: 'a' } };
const TASKS = { 'io.modelcontextprotocol/tasks': {} };

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ runtime: 'process', script: answerAnything });
});

beforeEach(() => server.model.setScript(answerAnything));

afterAll(() => server?.[Symbol.asyncDispose]());

type Transport = { name: string; word: string; open: () => Promise<Connection> };

const TRANSPORTS: Transport[] = [
  { name: 'HTTP+SSE', word: 'sse', open: () => connect(server, 'sse') },
  { name: 'Streamable HTTP', word: 'http', open: () => connect(server, 'http') },
  {
    name: 'stdio',
    word: 'stdio',
    open: async () => connectStdio(['--url', server.url], await cleanSettings()),
  },
];

describe.each(TRANSPORTS)('a task of 2025-11-25 over $name', ({ word, open }) => {
  test('is made of a call, and ends with its result', async () => {
    server.model.setScript(runsOnce(`echo ${word} > a.txt; sleep 1`));
    await using connection = await open();
    const { client, progress } = connection;
    const statuses = statusesOf(client);
    const stream = client.experimental.tasks.callToolStream(
      { name: 'implement', arguments: { task: 'x', agent_id: 'a' } },
      CallToolResultSchema,
      { task: { ttl: 60_000 }, onprogress: ({ message }) => progress.push(message ?? '') },
    );
    const messages: ResponseMessage<CallToolResult>[] = [];
    for await (const message of stream) messages.push(message);
    const [created] = messages;
    if (created?.type !== 'taskCreated') throw new Error(JSON.stringify(created));
    const { taskId } = created.task;
    expect(created.task).toMatchObject({
      status: 'working',
      ttl: 30 * 86_400_000,
      pollInterval: 500,
    });
    const seen = messages
      .slice(1, -1)
      .map((message) => message.type === 'taskStatus' && message.task.status);
    expect(new Set(seen)).toEqual(new Set(['working', 'completed']));
    expect(messages.at(-1)).toMatchObject({
      type: 'result',
      result: {
        structuredContent: { turn_id: taskId, changes: [{ file: 'a.txt' }] },
        _meta: { 'io.modelcontextprotocol/related-task': { taskId } },
      },
    });
    expect(progress.join()).toContain(`Running: echo ${word}`);
    await expect.poll(() => statuses).toContainEqual(`${taskId} completed`);
  });
});

describe('a task of 2025-11-25', () => {
  let connection: Connection;
  beforeEach(async () => {
    connection = await connect(server);
  });
  afterEach(() => connection.client.close());

  test('that fails has the result of a call that fails', async () => {
    server.model.setScript(() => http(400, { error: { message: 'no such model' } }));
    const { client } = connection;
    const { tasks } = client.experimental;
    const args = { task: 'x', agent_id: 'a' };
    const taskId = await begin(client, 'plan', args);
    const result = await tasks.getTaskResult(taskId, CallToolResultSchema);
    const plain = await client.callTool({ name: 'plan', arguments: args });
    expect(result).toMatchObject({ isError: true, content: [{ type: 'text' }] });
    expect(withoutIds(result.content)).toEqual(withoutIds(plain.content));
    expect(await tasks.getTask(taskId)).toMatchObject({
      status: 'failed',
      statusMessage: expect.stringContaining('model_rejected: '),
    });
  });

  test('that is cancelled leaves nothing running, and cannot be cancelled again', async () => {
    server.model.setScript(runsOnce('sleep 47110815'));
    const { client } = connection;
    const { tasks } = client.experimental;
    const taskId = await begin(client, 'implement', { task: 'x', agent_id: 'a' });
    await expect.poll(() => processes('sleep 47110815')).not.toEqual([]);
    const waiting = tasks.getTaskResult(taskId, CallToolResultSchema);
    expect(await tasks.cancelTask(taskId)).toMatchObject({ taskId, status: 'cancelled' });
    expect(processes('sleep 47110815')).toEqual([]);
    expect(await waiting).toMatchObject({ isError: true });
    expect(await tasks.getTask(taskId)).toMatchObject({ status: 'cancelled' });
    await expect(tasks.cancelTask(taskId)).rejects.toMatchObject({ code: -32602 });
    expect(await call(connection, 'get_turn', { turn_id: taskId })).toMatchObject({
      state: 'interrupted',
    });
  });

  test('goes on when a client does not wait for its result any more', async () => {
    const seen = Promise.withResolvers<void>();
    server.model.setScript(async (request) => {
      await seen.promise;
      return answerAnything(request);
    });
    const { client } = connection;
    const { tasks } = client.experimental;
    const taskId = await begin(client, 'plan', { task: 'x', agent_id: 'a' });
    const leaving = new AbortController();
    const left = tasks.getTaskResult(taskId, CallToolResultSchema, { signal: leaving.signal });
    leaving.abort();
    await expect(left).rejects.toThrow('abort');
    expect(await tasks.getTask(taskId)).toMatchObject({ status: 'working' });
    seen.resolve();
    expect(await tasks.getTaskResult(taskId, CallToolResultSchema)).not.toHaveProperty('isError');
  });

  test('that nobody knows is an error', async () => {
    const { tasks } = connection.client.experimental;
    const unknown = { code: -32602, data: { code: 'turn_not_found' } };
    await expect(tasks.getTask('nope')).rejects.toMatchObject(unknown);
    await expect(tasks.getTaskResult('nope')).rejects.toMatchObject(unknown);
    await expect(tasks.cancelTask('nope')).rejects.toMatchObject(unknown);
    await expect(tasks.listTasks('nope')).rejects.toMatchObject(unknown);
  });

  test('cannot be begun of a tool that does no work, nor with wrong arguments', async () => {
    const { client } = connection;
    await expect(begin(client, 'list_sessions', {})).rejects.toMatchObject({ code: -32601 });
    await expect(begin(client, 'no_such_tool', {})).rejects.toMatchObject({
      code: -32602,
      data: { code: 'unknown_tool' },
    });
    await expect(begin(client, 'plan', { tusk: 'x' })).rejects.toMatchObject({
      code: -32602,
      data: { code: 'invalid_input', issues: expect.anything() },
    });
    await expect(begin(client, 'fix', { context_files: ['a'] })).rejects.toMatchObject({
      code: -32602,
      data: { code: 'invalid_input' },
    });
  });

  test('is there for a call that does not wait, too', async () => {
    const { client } = connection;
    const taskId = await begin(client, 'plan', { task: 'x', agent_id: 'a', wait: false });
    expect(
      await client.experimental.tasks.getTaskResult(taskId, CallToolResultSchema),
    ).toMatchObject({
      structuredContent: { turn_id: taskId, task_breakdown: expect.anything() },
    });
  });
});

test('all turns are listed as tasks, page by page', async () => {
  await using target = await startTestServer({ runtime: 'process', script: answerAnything });
  await target.stop();
  const written = endedTurns(target, 60);
  await target.restart({ RETENTION_TIMEOUT: '3600' });
  await using connection = await connect(target);
  const { tasks } = connection.client.experimental;
  const first = await tasks.listTasks();
  expect(first.tasks).toHaveLength(50);
  expect(first.tasks[0]).toMatchObject({ status: 'completed', ttl: 3_600_000 });
  const second = await tasks.listTasks(first.nextCursor);
  expect(second.nextCursor).toBeUndefined();
  const listed = [...first.tasks, ...second.tasks].map(({ taskId }) => taskId);
  expect(listed).toEqual(written.toReversed());
});

test('a task survives the death of the server, in both eras', async () => {
  await using world = await createWorld('process');
  world.model.setScript(runsOnce('sleep 2; echo late > late.txt'));
  const first = await world.start();
  const before = await connect(first);
  const args = { task: 'x', agent_id: 'survivor' };
  const taskId = await begin(before.client, 'implement', args);
  await before.client.close();
  await expect.poll(() => world.model.requests.length).toBe(1);
  await kill(first, 'SIGKILL');

  const second = await world.start();
  await using connection = await connect(second);
  const { tasks } = connection.client.experimental;
  expect(await tasks.getTask(taskId)).toMatchObject({ taskId });
  const result = await tasks.getTaskResult(taskId, CallToolResultSchema, { timeout: 50_000 });
  expect(result.structuredContent).toMatchObject({ changes: [{ file: 'late.txt' }] });
  const modern = modernClient(second.url, TASKS);
  expect(await modern('tasks/get', { taskId })).toMatchObject({
    result: { status: 'completed', result: { structuredContent: { turn_id: taskId } } },
  });
});

describe('a task of 2026-07-28', () => {
  const modern: ModernClient = (...request) => modernClient(server.url, TASKS)(...request);

  test('is offered to those who ask what there is', async () => {
    const { result } = await modern('server/discover', {});
    expect(result?.capabilities).toEqual({ tools: {}, extensions: TASKS });
  });

  test('is made of a call, and ends with its result', async () => {
    const seen = Promise.withResolvers<void>();
    server.model.setScript(async (request) => {
      if (request.toolOutputs.length > 0) await seen.promise;
      return runsOnce('echo a > modern.txt')(request);
    });
    const args = { task: 'x', agent_id: 'a' };
    const { result: task } = await modern('tools/call', { name: 'implement', arguments: args });
    expect(task).toEqual({
      resultType: 'task',
      taskId: expect.any(String),
      status: 'working',
      statusMessage: expect.any(String),
      createdAt: expect.any(String),
      lastUpdatedAt: expect.any(String),
      ttlMs: 30 * 86_400_000,
      pollIntervalMs: 500,
      _meta: expect.anything(),
    });
    const taskId = task?.taskId;
    await expect
      .poll(async () => (await modern('tasks/get', { taskId })).result?.statusMessage)
      .toContain('Running: echo a');
    seen.resolve();
    expect(await ended(modern, taskId)).toMatchObject({
      resultType: 'complete',
      status: 'completed',
      result: { structuredContent: { turn_id: taskId, changes: [{ file: 'modern.txt' }] } },
    });
  });

  test('whose tool reports an error has completed', async () => {
    server.model.setScript(() => http(400, { error: { message: 'no such model' } }));
    const { result: task } = await modern('tools/call', PLAN);
    expect(await ended(modern, task?.taskId)).toMatchObject({
      status: 'completed',
      result: { isError: true, content: [{ text: expect.stringContaining('model_rejected') }] },
    });
  });

  test('is cancelled', async () => {
    server.model.setScript(runsOnce('sleep 47110816'));
    const { result: task } = await modern('tools/call', PLAN);
    const taskId = task?.taskId;
    await expect.poll(() => processes('sleep 47110816')).not.toEqual([]);
    expect((await modern('tasks/cancel', { taskId })).result).toMatchObject({
      resultType: 'complete',
    });
    expect(await ended(modern, taskId)).toMatchObject({ status: 'cancelled' });
    expect(processes('sleep 47110816')).toEqual([]);
    expect((await modern('tasks/cancel', { taskId })).error).toBeUndefined();
  });

  test('that nobody knows is an error, and answers that nobody asked for are none', async () => {
    const inputResponses = { nobody: { action: 'accept' } };
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
      const { error } = await modern(method, { taskId: 'nope', inputResponses });
      expect(error).toMatchObject({ code: -32602, data: { code: 'turn_not_found' } });
    }
    const { result: task } = await modern('tools/call', PLAN);
    const answered = await modern('tasks/update', { taskId: task?.taskId, inputResponses });
    expect(answered.result).toMatchObject({ resultType: 'complete' });
    expect(await modern('tasks/list', {})).toMatchObject({ error: { code: -32601 } });
  });

  test('is not made of a call that does not wait, nor of other tools, nor of a wrong call', async () => {
    const { name, arguments: args } = PLAN;
    const accepted = await modern('tools/call', { name, arguments: { ...args, wait: false } });
    expect(accepted.result).toMatchObject({
      resultType: 'complete',
      structuredContent: { state: 'queued' },
    });
    const listed = await modern('tools/call', { name: 'list_turns', arguments: {} });
    expect(listed.result).toMatchObject({ resultType: 'complete' });
    const wrong = await modern('tools/call', { name, arguments: { tusk: 'x' } });
    expect(wrong.result).toMatchObject({ resultType: 'complete', isError: true });
  });

  test('is not for clients that do not know tasks', async () => {
    const unknowing = modernClient(server.url, {});
    const { result } = await unknowing('tools/call', PLAN);
    expect(result).toMatchObject({ resultType: 'complete', structuredContent: {} });
    const taskId = result?.structuredContent?.turn_id;
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
      expect(await unknowing(method, { taskId, inputResponses: {} })).toMatchObject({
        status: 400,
        error: { code: -32021, data: { requiredCapabilities: { extensions: TASKS } } },
      });
    }
    const { result: list } = await unknowing('tools/list', {});
    expect(JSON.stringify(list)).not.toContain('taskSupport');
  });
});

test('clients that know no tasks see tools and results as ever', async () => {
  await using connection = await connect(server);
  const { tools } = await connection.client.listTools();
  const supporting = tools.filter(({ execution }) => execution?.taskSupport === 'optional');
  expect(supporting.map(({ name }) => name)).toEqual(WORKING_TOOLS);
  expect(tools.filter(({ execution }) => execution)).toHaveLength(WORKING_TOOLS.length);
  const result = await connection.client.callTool(PLAN);
  expect(Object.keys(result).toSorted()).toEqual(['content', 'structuredContent']);
});

/** Calls a tool as a task of 2025-11-25; answers the id of the task. */
async function begin(client: Client, name: string, args: Record<string, unknown>): Promise<string> {
  const request = { method: 'tools/call' as const, params: { name, arguments: args } };
  const { task } = await client.request(request, CreateTaskResultSchema, { task: {} });
  return task.taskId;
}

/** Polls a task of 2026-07-28 until it has ended. */
async function ended(modern: ModernClient, taskId: unknown) {
  const look = async () => (await modern('tasks/get', { taskId })).result ?? {};
  await expect.poll(async () => (await look()).status).not.toBe('working');
  return look();
}

/** What a client is told of its tasks without asking, as it comes. */
function statusesOf(client: Client): string[] {
  const statuses: string[] = [];
  client.setNotificationHandler(TaskStatusNotificationSchema, ({ params }) => {
    statuses.push(`${params.taskId} ${params.status}`);
  });
  return statuses;
}

function withoutIds(content: unknown): string {
  return JSON.stringify(content).replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID');
}

/** The processes of this machine that run a command. */
function processes(command: string): string[] {
  return fs.readdirSync('/proc').filter((pid) => {
    if (!/^[0-9]+$/.test(pid)) return false;
    try {
      return fs
        .readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        .replaceAll('\0', ' ')
        .includes(command);
    } catch {
      return false;
    }
  });
}

/** Writes turns into the store of a server that is stopped; answers their ids, the oldest first. */
function endedTurns({ dataDir }: TestServer, count: number): string[] {
  const store = SqliteStore.open(dataDir);
  store.agents.put(newAgent('a'));
  const ids = Array.from({ length: count }, (_, index) => `turn-${index}`);
  for (const turnId of ids) {
    store.turns.put({
      turnId,
      agentId: 'a',
      tool: 'plan',
      state: 'completed',
      request: { agentId: 'a', tool: 'plan', args: {} },
      result: {},
      // Several at the same time: their order is that of the rows.
      createdAt: new Date(1),
      endedAt: new Date(2),
    });
  }
  store.close();
  return ids;
}
