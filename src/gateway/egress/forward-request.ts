import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type net from 'node:net';
import { pipeline } from 'node:stream/promises';
import { endToEndHeaders } from './hop-headers.ts';

/** Methods whose requests, if they have no body, say nothing of its length. */
const BODILESS = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);

type Forwarded = {
  /** In absolute form. */
  request: IncomingMessage;
  response: ServerResponse;
  /** Open, and used for this request alone. */
  upstream: net.Socket;
};

/** Sends a request on and its answer back. Throws if either breaks; `upstream` is closed then. */
export async function forwardRequest({ request, response, upstream }: Forwarded): Promise<void> {
  const { method = 'GET', url = '' } = request;
  const { host, pathname, search } = new URL(url);
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const sent = http.request({
    createConnection: () => upstream,
    method,
    path: `${pathname}${search}`,
    // Of the target that was checked, whatever the request says: servers choose a site by it.
    headers: [
      ...['host', host, 'connection', 'close'],
      ...bodyHeaders(request),
      ...endToEndHeaders(request.rawHeaders, 'content-length'),
    ],
    signal: gone.signal,
  });
  // Once the answer is there, what becomes of the rest of the request does not matter.
  sent.on('error', () => undefined);
  try {
    request.pipe(sent);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    const { statusCode = 502, statusMessage } = answer;
    // One request for each connection, and its headers by themselves: Node 24 damages what goes to a
    // stream of HTTP/2 if headers, body and end are written at once.
    const headers = [...endToEndHeaders(answer.rawHeaders), 'connection', 'close'];
    response.writeHead(statusCode, statusMessage, headers);
    response.flushHeaders();
    await pipeline(answer, response);
  } finally {
    upstream.destroy();
  }
}

/** How long the body is, said anew, since headers could say it in two ways. */
function bodyHeaders({ headers, method = 'GET' }: IncomingMessage): string[] {
  const encoding = headers['transfer-encoding'];
  if (encoding !== undefined) return ['transfer-encoding', encoding];
  const length = headers['content-length'];
  if (length !== undefined) return ['content-length', length];
  return BODILESS.has(method) ? [] : ['content-length', '0'];
}
