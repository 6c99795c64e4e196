import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { errorOf, startTestServer, type TestServer } from '../http/test-server.ts';
import { readEvents } from './event-reader.ts';

const ALL = '/api/v1/agents/events';

test('a stream begins with the state of its agents, and tells what happens to all or to one', async () => {
  await using server = await startTestServer();
  await using all = await readEvents(server.url + ALL);
  await using one = await readEvents(`${server.url}/api/v1/agents/b/events`);
  await using full = await readEvents(`${server.url}/api/v1/agents/b@local/events`);
  for (const agentId of ['a', 'b']) wake(server, agentId);
  const told = (agent_id: string) => ({
    event: 'agent_woken',
    data: { at: expect.any(String), agent_id, from: 'stopped' },
  });
  const state = (agent_id: string) => ({
    event: 'state',
    data: {
      ...{ agent_id, status: 'stopped', pinned: false },
      seconds_until: { paused: null, stopped: null, archived: null, removed: null },
    },
  });
  await expect.poll(() => all.events).toEqual([told('a'), told('b')]);
  await expect.poll(() => one.events).toEqual([state('b'), told('b')]);
  await expect.poll(() => full.events).toEqual([state('b'), told('b')]);
  await server.app.close();
  await Promise.all([all.ended, one.ended, full.ended]);
});

test('a reader that falls far behind is cut off', async () => {
  await using server = await startTestServer();
  await using reader = await readEvents(server.url + ALL);
  for (let count = 0; count < 5000; count += 1) wake(server, 'a');
  await reader.ended;
  expect(reader.events).toHaveLength(1000);
});

test('readers have a bound, and one that leaves makes room, however much it has not read', async () => {
  await using server = await startTestServer({ MAX_EVENT_READERS: '1' });
  const silent = await follow(server);
  const refused = await fetch(server.url + ALL);
  expect(refused.status).toBe(503);
  expect(await errorOf(refused)).toMatchObject({ code: 'too_many_readers', retryable: true });
  // More than sockets hold, at a pace at which the server can write.
  for (let count = 0; count < 100_000; count += 1) {
    wake(server, 'a');
    if (count % 100 === 0) await nextTurn();
  }
  silent.destroy();
  await expect.poll(async () => (await tryToFollow(server)).status).toBe(200);
});

function wake({ events }: TestServer, agentId: string): void {
  events.emit({ type: 'agent_woken', agentId, from: 'stopped' });
}

/** A reader that takes the head of the answer and no more. */
async function follow(server: TestServer): Promise<Socket> {
  const { hostname, port, host } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${ALL} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  await new Promise((resolve) => socket.once('data', resolve));
  socket.pause();
  return socket;
}

async function tryToFollow(server: TestServer): Promise<Response> {
  const response = await fetch(server.url + ALL);
  await response.body?.cancel();
  return response;
}
