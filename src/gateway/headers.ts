import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';

/** What Codex tells the model provider. Anything else, such as its token, stays here. */
const REQUEST_HEADERS = new Set([
  'accept',
  'content-encoding',
  'content-type',
  'conversation-id',
  'conversation_id',
  'openai-beta',
  'originator',
  'session-id',
  'session_id',
  'thread-id',
  'user-agent',
  'version',
  'x-client-request-id',
]);

/** What Codex reads of an answer. `content-length` goes too: it lets a cut answer be seen. */
const RESPONSE_HEADERS = new Set([
  'cache-control',
  'content-encoding',
  'content-length',
  'content-type',
  'etag',
  'retry-after',
  'retry-after-ms',
  'x-models-etag',
  'x-reasoning-included',
  'x-request-id',
]);
const REQUEST_PREFIXES = ['x-codex-', 'x-openai-'];
const RESPONSE_PREFIXES = ['x-codex-', 'openai-', 'x-openai-', 'x-ratelimit-'];

/** The headers of a request that may go on to the model provider. */
export function requestHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return pick(headers, REQUEST_HEADERS, REQUEST_PREFIXES);
}

/** The headers of an answer that may go on to Codex. */
export function responseHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return pick(headers, RESPONSE_HEADERS, RESPONSE_PREFIXES);
}

function pick(
  headers: IncomingHttpHeaders,
  names: ReadonlySet<string>,
  prefixes: readonly string[],
): OutgoingHttpHeaders {
  const allowed = ([name]: [string, unknown]) =>
    names.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
  return Object.fromEntries(Object.entries(headers).filter(allowed));
}
