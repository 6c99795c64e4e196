import fc from 'fast-check';
import { nearly, oddJson, oddText } from './odd-values.ts';

const MODERN_META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'fuzz', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {
    extensions: { 'io.modelcontextprotocol/tasks': {} },
  },
};

export const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'fuzz', version: '1' },
  },
};

const CALL = { name: 'echo', arguments: { message: 'hi' }, _meta: { progressToken: 1 } };

/** Messages that mean something; what is sent is nearly one of them. */
const PARAMS: Record<string, object> = {
  initialize: INITIALIZE.params,
  ping: {},
  'tools/list': { cursor: 'x' },
  'tools/call': CALL,
  'tasks/get': { taskId: 't' },
  'tasks/result': { taskId: 't' },
  'tasks/cancel': { taskId: 't' },
  'tasks/update': { taskId: 't', inputResponses: {} },
  'tasks/list': { cursor: 'x' },
  'server/discover': {},
  'resources/list': {},
  'prompts/get': { name: 'x' },
  'logging/setLevel': { level: 'debug' },
  'completion/complete': { ref: { type: 'ref/prompt', name: 'x' }, argument: {} },
  'sampling/createMessage': { messages: [], maxTokens: 1 },
  'notifications/initialized': {},
  'notifications/cancelled': { requestId: 1, reason: 'x' },
  'notifications/progress': { progressToken: 1, progress: 1 },
  'notifications/message': { level: 'info', data: 1 },
  constructor: {},
};

const id = fc.oneof(
  { weight: 9, arbitrary: fc.nat(5) },
  fc.constantFrom(null, '', 'x'.repeat(10_000), -1, 0.5, 2 ** 53, 1e300, true, {}, [], '__proto__'),
);

const request = fc
  .tuple(fc.constantFrom(...Object.keys(PARAMS)), id, fc.boolean())
  .map(([method, given, isCall]) => ({
    jsonrpc: '2.0',
    ...(!method.startsWith('notifications/') && { id: given }),
    method,
    params: isCall && method === 'tools/call' ? { ...CALL, task: { ttl: 1 } } : PARAMS[method],
  }));

const answer = fc.oneof(
  fc.tuple(id, oddJson).map(([given, result]) => ({ jsonrpc: '2.0', id: given, result })),
  fc
    .tuple(id, oddText)
    .map(([given, message]) => ({ jsonrpc: '2.0', id: given, error: { code: 1, message } })),
);

const message = nearly(fc.oneof({ weight: 5, arbitrary: request }, answer));

/** What a client may post, mad or not: one message, several, or none. */
export const posted: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: message },
  fc.array(message, { maxLength: 4 }),
  oddJson,
);

/** The same as one of 2026-07-28, which says with each request who asks. */
export function modern(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const params: unknown = Reflect.get(value, 'params');
  if (typeof params !== 'object' || params === null) return value;
  return { ...value, params: { ...params, _meta: { ...MODERN_META, progressToken: 1 } } };
}

/** The headers with which such a message has to come. */
export function modernHeaders(value: unknown): Record<string, string> {
  const { method = '', params } = Object(value) as { method?: unknown; params?: unknown };
  const { name, taskId } = Object(params) as { name?: unknown; taskId?: unknown };
  return {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': inHeader(method),
    ...((name ?? taskId) !== undefined && { 'mcp-name': inHeader(name ?? taskId) }),
  };
}

function inHeader(value: unknown): string {
  return typeof value === 'string' && /^[ -~]*$/.test(value) ? value : 'x';
}
