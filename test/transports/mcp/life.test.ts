import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { heapUsed } from '../../machine/heap-used.ts';
import { startTestServer, until } from '../http/test-server.ts';
import { CLIENTS, type TestClient } from './clients.ts';

test('closing the server ends every stream, session and call within a second', async () => {
  const server = await startTestServer();
  const clients: TestClient[] = [];
  for (const [, open] of CLIENTS) clients.push(await open(server.url));
  const calls = clients.map((client) => client.call('slow', { ms: 60_000 }).catch(() => 'ended'));
  const streamed = fetch(`${server.url}/tools/slow`, {
    method: 'POST',
    body: '{"ms":60000}',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
  })
    .then((response) => response.text())
    .catch(() => 'ended');
  const silent = connect(Number(new URL(server.url).port), '127.0.0.1');
  silent.on('error', () => {});
  await until(() => server.seen.running === 5);

  const started = performance.now();
  await server.app.close();
  // Calls of sessions outlive their clients; whoever runs them ends them when the server stops.
  await until(() => server.seen.aborted === 2, 500);
  expect(performance.now() - started).toBeLessThan(1000);
  await streamed;
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  await Promise.all(calls);
});

test.each(CLIENTS)(
  '%s leaves nothing behind after hundreds of sessions',
  async (_name, open) => {
    await using server = await startTestServer({ MAX_MCP_SESSIONS: '500', MCP_SESSION_IDLE: '1' });
    const logged = (what: string) => server.logLines.filter((line) => line.includes(what)).length;
    const run = async (sessions: number) => {
      for (let count = 0; count < sessions; count += 1) {
        await using client = await open(server.url);
        await client.call('echo', { message: 'hi' });
      }
      await until(() => logged('MCP session closed') === logged('MCP session opened'));
      return heapUsed();
    };
    const before = await run(50);
    const after = await run(300);
    expect(after - before).toBeLessThan(5_000_000);
  },
  60_000,
);

test('no timer of the server keeps a process alive or survives its close', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  const server = await startTestServer();
  const client = await CLIENTS[0]?.[1](server.url);
  await client?.call('echo', { message: 'hi' });
  await client?.[Symbol.asyncDispose]();
  await server.app.close();
  await until(() => timers() <= before);
});
