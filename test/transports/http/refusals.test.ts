import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errorOf, startTestServer, type TestServer, until } from './test-server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({}, [], { receiveTimeoutMs: 300 });
});

afterAll(() => server.app.close());

const HOST = 'Host: localhost\r\n';

describe('what is refused before it is a request has our form', () => {
  test.each([
    ['a method that is none', 'BREW / HTTP/1.1\r\n\r\n', 400, 'invalid_input'],
    ['a revision of HTTP that is none', 'GET / HTTP/9.9\r\n\r\n', 400, 'invalid_input'],
    [
      'two ways to say its length',
      post('Content-Length: 2\r\nTransfer-Encoding: chunked'),
      400,
      'invalid_input',
    ],
    [
      'large headers',
      `GET / HTTP/1.1\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    ['a head that does not end', `GET / HTTP/1.1\r\n${HOST}`, 408, 'request_timeout'],
    ['a body that does not end', post('Content-Length: 9'), 408, 'request_timeout'],
  ])('%s', async (_what, sent, status, code) => {
    const answer = await answerTo(sent);
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatch(/^connection: close$/im);
    expect(answer.headers).toContain('Content-Type: application/json\r\n');
    const id = /^x-correlation-id: (\S+)$/im.exec(answer.headers)?.[1];
    expect(JSON.parse(answer.body).error).toMatchObject({ code, correlation_id: id });
    await until(() => server.logLines.some((line) => line.includes(`"correlation_id":"${id}"`)));
  });
});

test('what cannot be read after an open stream does not get into it', async () => {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.write(`GET /sse HTTP/1.1\r\n${HOST}\r\n`);
  socket.once('data', () => socket.write('BREW / HTTP/1.1\r\n\r\n'));
  const received = await text(socket);
  expect(received).toContain('event: endpoint');
  expect(received.match(/HTTP\/1.1/g)).toHaveLength(1);
});

test.each([
  ['none', ''],
  ['two', `${HOST}${HOST}`],
  ['one with a user', 'Host: evil.example@localhost\r\n'],
  ['one with a path', 'Host: localhost/evil\r\n'],
])('a request with the Host header %s is 400', async (_which, hosts) => {
  const { status, body } = await answerTo(`GET / HTTP/1.1\r\n${hosts}Connection: close\r\n\r\n`);
  expect(status).toBe(400);
  expect(JSON.parse(body).error.code).toBe('invalid_input');
});

test('an expectation that nobody knows is disregarded', async () => {
  const head = `GET /ping HTTP/1.1\r\n${HOST}Expect: wonders\r\nConnection: close\r\n\r\n`;
  expect(await answerTo(head)).toMatchObject({ status: 200, body: '{"status":"ok"}' });
});

test('who wants no events is told that there is nothing else', async () => {
  const headers = { accept: 'application/json' };
  const response = await fetch(`${server.url}/api/v1/agents/events`, { headers });
  expect(response.status).toBe(406);
  const error = await errorOf(response);
  expect(error.code).toBe('not_acceptable');
  expect(error.correlation_id).toBe(response.headers.get('x-correlation-id'));
  const overMcp = await fetch(`${server.url}/sse`, { headers });
  expect(await overMcp.json()).toMatchObject({
    jsonrpc: '2.0',
    error: { data: { code: 'not_acceptable' } },
  });
});

function post(framing: string): string {
  return `POST /tools/echo HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n${framing}\r\n\r\n{"`;
}

async function answerTo(sent: string): Promise<{ status: number; headers: string; body: string }> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.write(sent);
  const [head = '', body = ''] = (await text(socket)).split(/\r\n\r\n(.*)/s);
  return { status: Number(head.split(' ')[1]), headers: `${head}\r\n`, body };
}
