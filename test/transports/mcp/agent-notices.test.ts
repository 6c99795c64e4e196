import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EndingTransition, TransitionReason } from '../../../src/agents/agent-events.ts';
import { startTestServer, type TestServer } from '../http/test-server.ts';

/** Marks what is only sent to see whether it arrives. */
const TUNING = 999;

type Notice = { data: { agent_id: string; in_seconds: number; message: string } };

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server.app.close());

describe.each([
  { route: '/sse', Transport: SSEClientTransport },
  { route: '/mcp', Transport: StreamableHTTPClientTransport },
])('a client at $route', ({ route, Transport }) => {
  const connectAs = async (agentId: string) => {
    const client = new Client({ name: 'test', version: '0' });
    const heard: Notice[] = [];
    let tuned = false;
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
      const notice = params as Notice;
      if (notice.data.in_seconds === TUNING) tuned = true;
      else heard.push(notice);
    });
    const transport = new Transport(new URL(`${route}?agent_id=${agentId}`, server.url));
    await client.connect(transport);
    // A client of /mcp opens its stream for notifications when it is connected already.
    await expect.poll(() => expire('stop', agentId, TUNING) ?? tuned, { interval: 20 }).toBe(true);
    return {
      client,
      heard,
      agentsHeard: () => heard.map(({ data }) => data.agent_id),
      [Symbol.asyncDispose]: () => client.close(),
    };
  };

  test('is told of its own agent, and what to do', async () => {
    await using mine = await connectAs('mine');
    expect(mine.client.getServerCapabilities()).toHaveProperty('logging');
    expire('stop', 'mine', 59);
    expire('remove', 'mine', 60);
    await expect.poll(() => mine.heard).toHaveLength(2);
    expect(mine.heard).toEqual([
      {
        level: 'notice',
        logger: 'agents',
        data: {
          agent_id: 'mine',
          step: 'stop',
          in_seconds: 59,
          reason: 'idle',
          message:
            'Agent "mine" is idle and will be stopped in 59 s if nobody calls it: its processes end, its files and its conversation stay. Call it or pin it to keep it.',
        },
      },
      {
        level: 'warning',
        logger: 'agents',
        data: expect.objectContaining({
          step: 'remove',
          in_seconds: 60,
          message: expect.stringContaining('its files and its conversation are deleted'),
        }),
      },
    ]);
  });

  test('is told of agents that its calls named, and of no others', async () => {
    await using mine = await connectAs('mine');
    await using other = await connectAs('other');
    await mine.client.callTool({ name: 'echo', arguments: { message: 'hi', agent_id: 'named' } });
    for (const agentId of ['stranger', 'named', 'mine']) expire('stop', agentId);
    expire('stop', 'other');
    await expect.poll(other.agentsHeard).toEqual(['other']);
    await expect.poll(mine.agentsHeard).toEqual(['named', 'mine']);
  });

  test('remembers the last thousand agents', async () => {
    await using mine = await connectAs('mine');
    const name = (agent_id: string) =>
      mine.client.callTool({ name: 'echo', arguments: { message: 'hi', agent_id } });
    for (let count = 0; count <= 1000; count += 1) await name(`agent-${count}`);
    for (const agentId of ['agent-0', 'agent-1', 'agent-1000', 'mine']) expire('stop', agentId);
    await expect.poll(mine.agentsHeard).toEqual(['agent-1', 'agent-1000', 'mine']);
  });

  test('is told what is as grave as it asked for', async () => {
    await using mine = await connectAs('mine');
    await mine.client.setLoggingLevel('warning');
    expire('archive', 'mine');
    expire('remove', 'mine');
    await expect.poll(() => mine.heard).toMatchObject([{ data: { step: 'remove' } }]);
  });

  test('is told why an agent is taken that is not idle for long', async () => {
    await using mine = await connectAs('mine');
    expire('stop', 'mine', 0, 'eviction');
    expire('remove', 'mine', 0, 'cleanup');
    await expect.poll(() => mine.heard).toHaveLength(2);
    expect(mine.heard.map(({ data }) => data.message)).toEqual([
      'Agent "mine" is being stopped to make room for another agent: its processes end, its files and its conversation stay. The next call wakes it; pinned agents keep running.',
      'Agent "mine" is being removed by a clean-up: its files and its conversation are deleted. The next call begins anew.',
    ]);
  });
});

function expire(
  step: EndingTransition,
  agentId: string,
  inSeconds = 60,
  reason: TransitionReason = 'idle',
): undefined {
  server.events.emit({ type: 'agent_expiring', agentId, transition: step, inSeconds, reason });
}
