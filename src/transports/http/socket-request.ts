import type { IncomingHttpHeaders } from 'node:http';

export const SOCKET_PATH = '/ws';
/** The sub-protocol by which browsers show a token: they can set no other header. */
export const BEARER = 'bearer';

type Asking = { method?: string; url?: string; headers: IncomingHttpHeaders };

/** Whether a request asks for a WebSocket where there is one. Nobody has to take any other offer of a protocol. */
export function asksForSocket({ method, url, headers }: Asking): boolean {
  return isOffered(headers) && method === 'GET' && url?.split('?', 1)[0] === SOCKET_PATH;
}

/** Of `Sec-WebSocket-Protocol: bearer, TOKEN`. Never of the URL, which is logged everywhere. */
export function socketBearer(headers: IncomingHttpHeaders): string | undefined {
  if (!isOffered(headers)) return undefined;
  const [scheme, token] = headers['sec-websocket-protocol']?.split(/\s*,\s*/) ?? [];
  return scheme === BEARER && token ? `Bearer ${token}` : undefined;
}

function isOffered({ upgrade }: IncomingHttpHeaders): boolean {
  return upgrade?.toLowerCase() === 'websocket';
}
