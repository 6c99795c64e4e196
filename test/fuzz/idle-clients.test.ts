import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { heapUsed } from '../machine/heap-used.ts';
import { startTestServer, type TestServer } from '../transports/http/test-server.ts';

const CLIENTS = Number(process.env.IDLE_CLIENTS ?? 500);
/** With the client's end, which is in the same process; a session has a server of the SDK of its own. */
const MAX_BYTES_PER_CLIENT = 200_000;
const SETTINGS = { MAX_MCP_SESSIONS: '5000', MAX_CONNECTIONS: '6000' };

test('many idle clients cost little, stand in nobody’s way and leave nothing', async () => {
  await using server = await startTestServer(SETTINGS);
  const alone = await timesOfCalls(server);
  const before = await heapUsed();
  const sockets = await openStreams(server, CLIENTS);
  const perClient = ((await heapUsed()) - before) / CLIENTS;
  const amongThem = await timesOfCalls(server);
  const facts = `${Math.round(perClient)} bytes, ${amongThem} ms instead of ${alone} ms`;
  if (process.env.IDLE_CLIENTS) process.stderr.write(`${CLIENTS} idle clients: ${facts}\n`);
  expect(perClient, facts).toBeLessThan(MAX_BYTES_PER_CLIENT);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => closedSessions(server)).toBe(CLIENTS);
  sockets.length = 0;
  server.logLines.length = 0;
  expect(((await heapUsed()) - before) / CLIENTS).toBeLessThan(MAX_BYTES_PER_CLIENT / 10);
}, 120_000);

/** The median of how long a call takes, in milliseconds. */
async function timesOfCalls({ url }: TestServer): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < 60; count += 1) {
    const started = performance.now();
    const response = await fetch(`${url}/tools/echo`, {
      method: 'POST',
      body: '{"message":"hi"}',
      headers: { 'content-type': 'application/json' },
    });
    expect(response.status).toBe(200);
    await response.text();
    times.push(performance.now() - started);
  }
  return Math.round(times.sort((one, other) => one - other)[30] ?? 0);
}

async function openStreams(server: TestServer, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let left = count; left > 0; left -= 100) {
    const opened = Array.from({ length: Math.min(left, 100) }, () => openStream(server));
    sockets.push(...(await Promise.all(opened)));
  }
  return sockets;
}

async function openStream({ url }: TestServer): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write('GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const [head] = await once(socket, 'data');
  expect(String(head)).toMatch(/^HTTP\/1.1 200 /);
  return socket.resume();
}

function closedSessions({ logLines }: TestServer): number {
  return logLines.filter((line) => line.includes('MCP session closed')).length;
}
