import type { IncomingHttpHeaders } from 'node:http';

export const SOCKET_PATH = '/ws';
/** The subprotocol that carries a token: browsers can set no other header. */
export const BEARER = 'bearer';

type Asking = { method?: string; url?: string; headers: IncomingHttpHeaders };

/** Whether a request is an upgrade to a WebSocket on a path that has one. Other upgrades may be ignored. */
export function asksForSocket({ method, url, headers }: Asking): boolean {
  return isOffered(headers) && method === 'GET' && url?.split('?', 1)[0] === SOCKET_PATH;
}

/** The token in `Sec-WebSocket-Protocol: bearer, TOKEN`. Never in the URL, which is logged everywhere. */
export function socketBearer(headers: IncomingHttpHeaders): string | undefined {
  if (!isOffered(headers)) return undefined;
  const [scheme, token] = headers['sec-websocket-protocol']?.split(/\s*,\s*/) ?? [];
  return scheme === BEARER && token ? `Bearer ${token}` : undefined;
}

function isOffered({ upgrade }: IncomingHttpHeaders): boolean {
  return upgrade?.toLowerCase() === 'websocket';
}
