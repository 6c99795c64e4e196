import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type net from 'node:net';
import { pipeline } from 'node:stream/promises';
import { endToEndHeaders } from './hop-headers.ts';

/** Methods whose requests have no content-length if they have no body. */
const BODILESS = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);

type Forwarded = {
  /** In absolute form. */
  request: IncomingMessage;
  response: ServerResponse;
  /** An open connection for this request only. */
  upstream: net.Socket;
};

/** Forwards a request and its answer. Throws if either breaks. Closes `upstream`. */
export async function forwardRequest({ request, response, upstream }: Forwarded): Promise<void> {
  const { method = 'GET', url = '' } = request;
  const { host, pathname, search } = new URL(url);
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const sent = http.request({
    createConnection: () => upstream,
    method,
    path: `${pathname}${search}`,
    // The host of the checked target, not of the request: servers choose a site by it.
    headers: [
      ...['host', host, 'connection', 'close'],
      ...bodyHeaders(request),
      ...endToEndHeaders(request.rawHeaders, 'content-length'),
    ],
    signal: gone.signal,
  });
  // Once the answer has begun, a failure of the request does not matter.
  sent.on('error', () => undefined);
  try {
    request.pipe(sent);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    const { statusCode = 502, statusMessage } = answer;
    // One request per connection, and its headers flushed: Node 24 corrupts an HTTP/2 stream if headers,
    // body and end are written at once.
    const headers = [...endToEndHeaders(answer.rawHeaders), 'connection', 'close'];
    response.writeHead(statusCode, statusMessage, headers);
    response.flushHeaders();
    await pipeline(answer, response);
  } finally {
    upstream.destroy();
  }
}

/** One header for the length of the body: a request could carry two that disagree. */
function bodyHeaders({ headers, method = 'GET' }: IncomingMessage): string[] {
  const encoding = headers['transfer-encoding'];
  if (encoding !== undefined) return ['transfer-encoding', encoding];
  const length = headers['content-length'];
  if (length !== undefined) return ['content-length', length];
  return BODILESS.has(method) ? [] : ['content-length', '0'];
}
