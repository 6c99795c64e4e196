import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { startTestServer, until } from '../http/test-server.ts';
import { CLIENTS, type TestClient } from './clients.ts';

test('closing the server ends every stream, session and call at once', async () => {
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
  await until(() => server.seen.aborted === 2);
  expect(performance.now() - started).toBeLessThan(30_000);
  await streamed;
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  await Promise.all(calls);
});

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
