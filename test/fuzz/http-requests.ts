import fc from 'fast-check';
import { oddJson, oddText } from './odd-values.ts';
import type { Manner } from './raw-exchange.ts';

/** A request, one character for each byte, and how it is sent. */
export type RawRequest = { text: string; manner: Manner };

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY'];

const PATH_TRICKS = [
  '/..%2f..%2fetc%2fpasswd',
  '/%2e%2e/',
  '/%00',
  '/%',
  '/%zz',
  '/%c0%af',
  '/%ff%fe',
  '/%ed%a0%80',
  '//',
  '/./',
  '/../',
  ';a=b',
  '/%F0%9F%92%A5',
  '/__proto__',
  '/constructor',
  `/${'a'.repeat(3000)}`,
  '#fragment',
];

const visible = fc.string({ unit: fc.integer({ min: 33, max: 126 }).map(String.fromCharCode) });

const parameter = fc.oneof(
  fc.constantFrom(
    'echo',
    't',
    '__proto__',
    'constructor',
    'toString',
    '%00',
    '%zz',
    '..%2f',
    'x;y',
  ),
  oddText.map((text) => encodeURIComponent(text.toWellFormed()).slice(0, 400)),
  visible,
);

const query = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  fc
    .array(fc.tuple(fc.constantFrom('agent_id', 'sessionId', '__proto__', 'a[b]', ''), parameter), {
      maxLength: 4,
    })
    .map((pairs) => `?${pairs.map(([name, value]) => `${name}=${value}`).join('&')}`),
  visible.map((text) => `?${text}`),
  fc.constant(`?${'a=1&'.repeat(2000)}`),
);

/** Targets of requests around the routes of the server, such as `/tools/:name`. */
function targets(routes: readonly string[]): fc.Arbitrary<string> {
  const path = fc
    .tuple(fc.constantFrom(...routes), parameter)
    .map(([route, value]) => route.replaceAll(/:\w+/g, () => value));
  return fc
    .tuple(
      fc.oneof(
        { weight: 9, arbitrary: path },
        fc.tuple(path, fc.constantFrom(...PATH_TRICKS)).map((parts) => parts.join('')),
        fc
          .tuple(fc.constantFrom('http://localhost', 'http://[', 'http://%', 'http://a b'), path)
          .map((parts) => parts.join('')),
        fc.constantFrom('*', '/', 'localhost:1', '', 'http://'),
        visible.map((text) => `/${text}`),
      ),
      query,
    )
    .map((parts) => parts.join(''));
}

const HEADER_NAMES = [
  'Content-Type',
  'Accept',
  'Authorization',
  'Origin',
  'Mcp-Session-Id',
  'Mcp-Protocol-Version',
  'Mcp-Method',
  'Mcp-Name',
  'Last-Event-ID',
  'X-Agent-Id',
  'X-Correlation-Id',
  'Expect',
  'Upgrade',
  'Connection',
  'Cookie',
  'Accept-Encoding',
  'Content-Encoding',
  'Forwarded',
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'Access-Control-Request-Method',
  'Access-Control-Request-Headers',
  'Range',
  'If-None-Match',
  'TE',
  'Trailer',
  'Keep-Alive',
  'HTTP2-Settings',
  'Sec-WebSocket-Key',
  '__proto__',
  'constructor',
];

const HEADER_VALUES = [
  '',
  'application/json',
  'application/json; charset=utf-16',
  'application/x-www-form-urlencoded',
  'text/event-stream',
  'text/event-stream;q=0',
  'application/json, text/event-stream',
  'multipart/form-data; boundary=',
  '*/*',
  'http://localhost',
  'null',
  '2025-06-18',
  '2026-07-28',
  'tools/call',
  'tasks/get',
  'echo',
  '100-continue',
  '200-ok',
  'websocket',
  'h2c',
  'Upgrade, HTTP2-Settings',
  'close',
  'gzip',
  'a'.repeat(5000),
];

// Any byte that may stand in a header: what is not ASCII counts as Latin-1.
const headerByte = fc.oneof(fc.integer({ min: 32, max: 126 }), fc.integer({ min: 128, max: 255 }));
const header = fc
  .tuple(
    fc.constantFrom(...HEADER_NAMES),
    fc.oneof(
      fc.constantFrom(...HEADER_VALUES),
      fc.string({ unit: headerByte.map((byte) => String.fromCharCode(byte)), maxLength: 60 }),
    ),
  )
  .map(([name, value]) => `${name}: ${value}\r\n`);

const utf8 = (text: string) => Buffer.from(text).toString('latin1');

const body = fc.oneof(
  fc.constantFrom('', '{', '{"a":', '[]', 'null', '7', '"', '{}x', '\ufeff{}', '{"message":"hi"}'),
  fc.constantFrom(
    '{"__proto__":{"x":1}}',
    '{"constructor":{"prototype":{"x":1}}}',
    '{"a":1,"a":2}',
  ),
  fc.constantFrom('\xff\xfe{}', '"\xc0\xaf"', '"\xed\xa0\x80"', '{"a":"\0"}', '"\\ud800"'),
  fc.constantFrom(100, 3000, 30_000).map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
  fc.constant(`"${'x'.repeat(25_000)}"`),
  oddJson.map((value) => utf8(JSON.stringify(value))),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
);

const manner: fc.Arbitrary<Manner> = fc.record({
  cuts: fc.oneof(
    { weight: 4, arbitrary: fc.constant([]) },
    fc.array(fc.nat(4000), { maxLength: 5 }),
  ),
  leaves: fc.constant('after the answer' as const),
});

/** Requests that are whole, however odd: each must be answered. */
export function wholeRequests(routes: readonly string[]): fc.Arbitrary<RawRequest> {
  return fc
    .record({
      method: fc.constantFrom(...METHODS),
      target: targets(routes).map((target) => (/^[!-~]+$/.test(target) ? target : '/')),
      host: fc.oneof(
        {
          weight: 9,
          arbitrary: fc.constantFrom('localhost', 'localhost:1', '127.0.0.1', '[::1]:1'),
        },
        fc.constantFrom('evil.example', 'a@localhost', '', '"', 'localhost/x', '[::'),
      ),
      headers: fc.array(header, { maxLength: 6 }),
      body,
      isChunked: fc.boolean(),
      manner,
    })
    .map(({ method, target, host, headers, body: content, isChunked, manner: sent }) => {
      const framed = isChunked
        ? chunked(content)
        : `Content-Length: ${content.length}\r\n\r\n${content}`;
      const head = `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${headers.join('')}`;
      return {
        text: head + framed,
        manner: { ...sent, isHead: method === 'HEAD' },
      };
    });
}

function chunked(content: string): string {
  const chunks = content.match(/[\s\S]{1,700}/g) ?? [];
  const sent = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
  return `Transfer-Encoding: chunked\r\n\r\n${sent}0\r\n\r\n`;
}

const FRAMINGS = [
  'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
  'Transfer-Encoding: chunked\r\nContent-Length: 0\r\n',
  'Content-Length: 5\r\nContent-Length: 6\r\n',
  'Content-Length: -1\r\n',
  'Content-Length: 99999999999999999999\r\n',
  'Content-Length: 1e3\r\n',
  'Content-Length: 100000\r\n',
  'Content-Length : 5\r\n',
  'Transfer-Encoding: identity\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding: chunked, chunked\r\n',
  'Transfer-Encoding: xchunked\r\n',
  ' folded: yes\r\n',
  'Host: localhost\r\nHost: other\r\n',
  'Expect: 100-continue\r\nContent-Length: 2\r\n',
  'Connection: Upgrade\r\nUpgrade: websocket\r\n',
  'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n',
  `X: ${'y'.repeat(20_000)}\r\n`,
  'x: y\r\n'.repeat(3000),
  'Trailer: X\r\nTransfer-Encoding: chunked\r\n',
  'A: b\nContent-Length: 3\n',
  'Null: a\0b\r\n',
];

const BODIES = [
  '5\r\nhello\r\n0\r\n\r\n',
  'zz\r\n',
  'ffffffffffffffff\r\nx',
  '5;ext="a"\r\nhello\r\n0\r\nX: y\r\n\r\n',
  '-5\r\nhello\r\n',
  '5\r\nhello world\r\n0\r\n\r\n',
  `1;${'e'.repeat(20_000)}\r\na\r\n0\r\n\r\n`,
  'hello',
  '',
];

const LINES = [
  'GET / HTTP/1.1',
  'POST /tools/echo HTTP/1.1',
  'POST /mcp HTTP/1.1',
  'GET /sse HTTP/1.1',
  'GET / HTTP/1.0',
  'GET / HTTP/0.9',
  'GET / HTTP/9.9',
  'GET /',
  'PRI * HTTP/2.0',
  'CONNECT localhost:80 HTTP/1.1',
  'OPTIONS * HTTP/1.1',
  'get / http/1.1',
  'GET  /  HTTP/1.1',
  'GET /a b HTTP/1.1',
  'GET /\xe9 HTTP/1.1',
  'GET /\0 HTTP/1.1',
  `GET /${'a'.repeat(20_000)} HTTP/1.1`,
  `${'X'.repeat(20_000)} / HTTP/1.1`,
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
];

/** What is no proper request, or more than one: an answer or silence, but no harm. */
export const brokenRequests: fc.Arbitrary<RawRequest> = fc
  .record({
    text: fc.oneof(
      {
        weight: 5,
        arbitrary: fc
          .tuple(
            fc.constantFrom(...LINES),
            fc.constantFrom(...FRAMINGS),
            fc.constantFrom(...BODIES),
          )
          .map(([line, framing, rest]) => `${line}\r\nHost: localhost\r\n${framing}\r\n${rest}`),
      },
      fc
        .array(fc.constantFrom(...LINES.slice(0, 4)), { minLength: 2, maxLength: 30 })
        .map((lines) => lines.map((line) => `${line}\r\nHost: localhost\r\n\r\n`).join('')),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      fc.constant('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'),
    ),
    manner,
    leaves: fc.constantFrom('after the answer' as const, 'half' as const, 'at once' as const),
    cutTo: fc.oneof(
      { weight: 3, arbitrary: fc.constant(1) },
      fc.double({ min: 0, max: 1, noNaN: true }),
    ),
  })
  .map(({ text, manner: sent, leaves, cutTo }) => ({
    text: text.slice(0, Math.ceil(text.length * cutTo)),
    manner: { ...sent, leaves },
  }));
