import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';

/** Request headers that are forwarded to the model provider; the token of the agent is not. */
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

/** Response headers that Codex reads. With `content-length` Codex detects a cut answer. */
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

export function requestHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return pick(headers, REQUEST_HEADERS, REQUEST_PREFIXES);
}

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
