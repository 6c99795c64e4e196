import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestServer, type TestServer, until } from '../http/test-server.ts';
import { CLIENTS, textOf } from './clients.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server.app.close());

describe.each(CLIENTS)('%s', (_name, connect) => {
  test('is told what the tools are and how agents are named', async () => {
    await using client = await connect(server.url);
    const tools = await client.list();
    expect(tools.map(({ name }) => name)).toEqual(['echo', 'slow', 'failing', 'big']);
    expect(tools[0]).toMatchObject({
      inputSchema: { type: 'object', additionalProperties: false },
      outputSchema: { type: 'object' },
      annotations: { readOnlyHint: true, destructiveHint: false },
    });
    expect(client.instructions()).toContain('agent_id');
  });

  test('gets a result as structured content and as the same text', async () => {
    await using client = await connect(server.url, 'bob');
    await client.list();
    const result = await client.call('echo', { message: 'hi' });
    expect(result.structuredContent).toEqual({ message: 'hi', agent_id: 'bob' });
    expect(JSON.parse(textOf(result))).toEqual(result.structuredContent);
    expect(result.isError).toBeFalsy();
  });

  test('gets a failure as text that holds code, message, hint, retryable and correlation id', async () => {
    await using client = await connect(server.url);
    await client.list();
    const result = await client.call('failing', { how: 'known' });
    expect(result.isError).toBe(true);
    expect(result.structuredContent).toBeUndefined();
    const [line, , ...rest] = textOf(result).split('\n');
    expect(line).toBe(
      'model_rate_limited: The provider says wait. Wait, or raise the limit at the model provider. Try again in 7 s.',
    );
    expect(JSON.parse(rest.join('\n'))).toEqual({
      code: 'model_rate_limited',
      message: 'The provider says wait.',
      hint: 'Wait, or raise the limit at the model provider.',
      retryable: true,
      retry_after_seconds: 6.2,
      correlation_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  test('does not learn the text of an unexpected error, which is logged', async () => {
    await using client = await connect(server.url);
    const text = textOf(await client.call('failing', { how: 'unknown' }));
    expect(text).toContain('internal: ');
    expect(text).not.toContain('secret detail');
    const id = /"correlation_id": "(.+)"/.exec(text)?.[1] ?? 'none';
    const line = server.logLines.find((entry) => entry.includes(id) && entry.includes('secret'));
    expect(line).toContain('secret detail');
  });

  test('gets wrong arguments as a failed call that names the field', async () => {
    await using client = await connect(server.url);
    const result = await client.call('echo', { message: 'hi', colour: 'red' });
    expect(result.isError).toBe(true);
    expect(textOf(result)).toMatch(/^invalid_input: .*colour/);
  });

  test('gets an unknown tool as protocol error -32602', async () => {
    await using client = await connect(server.url);
    await expect(client.call('nope', {})).rejects.toMatchObject({
      code: -32602,
      message: expect.stringContaining('nope'),
    });
  });

  test('hears increasing progress before the result', async () => {
    await using client = await connect(server.url);
    const heard: { progress: number; message?: string }[] = [];
    const onprogress = (progress: { progress: number; message?: string }) => heard.push(progress);
    const result = await client.call('slow', { ms: 90 }, { onprogress });
    expect(result.structuredContent).toEqual({ done: true });
    expect(heard.map(({ progress }) => progress)).toEqual([1, 2, 3]);
    expect(heard.map(({ message }) => message)).toEqual(['step 1', 'step 2', 'step 3']);
  });

  test('ends the running call when it cancels', async () => {
    await using client = await connect(server.url);
    const aborted = server.seen.aborted;
    const controller = new AbortController();
    const call = client.call('slow', { ms: 60_000 }, { signal: controller.signal });
    await until(() => server.seen.running === 1);
    controller.abort('enough');
    await expect(call).rejects.toThrow();
    await until(() => server.seen.running === 0);
    expect(server.seen.aborted).toBe(aborted + 1);
    expect((await client.call('echo', { message: 'still here' })).isError).toBeFalsy();
  });

  test('runs several calls at once', async () => {
    await using client = await connect(server.url);
    const calls = Array.from({ length: 5 }, (_, index) =>
      client.call('echo', { message: `m${index}` }),
    );
    const results = await Promise.all([client.call('slow', { ms: 200 }), ...calls]);
    expect(results.map(({ structuredContent }) => structuredContent)).toMatchObject([
      { done: true },
      ...calls.map((_, index) => ({ message: `m${index}` })),
    ]);
  });

  test('gets a large result whole', async () => {
    await using client = await connect(server.url);
    const result = await client.call('big', { bytes: 3_000_000 });
    expect(result.structuredContent).toEqual({ text: 'x'.repeat(3_000_000) });
  });

  test('is refused with an agent id that is none', async () => {
    await expect(connect(server.url, 'no spaces')).rejects.toThrow();
  });
});

test.each(CLIENTS.slice(0, 3))(
  '%s keeps one agent of its own for its session',
  async (_name, connect) => {
    await using first = await connect(server.url);
    await using second = await connect(server.url);
    const agentOf = async (client: typeof first) =>
      (await client.call('echo', { message: 'hi' })).structuredContent as { agent_id: string };
    const { agent_id } = await agentOf(first);
    expect(agent_id).toMatch(/^session-[0-9a-f]{8}$/);
    expect(await agentOf(first)).toMatchObject({ agent_id });
    expect((await agentOf(second)).agent_id).not.toBe(agent_id);
  },
);

test('a stateless client without agent id gets a new agent for each call', async () => {
  const [, connect] = CLIENTS[3] ?? [];
  await using client = await connect?.(server.url);
  const first = await client?.call('echo', { message: 'hi' });
  const second = await client?.call('echo', { message: 'hi' });
  expect(first?.structuredContent).not.toEqual(second?.structuredContent);
});
