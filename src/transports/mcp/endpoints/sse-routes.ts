import { type JSONRPCMessage, parseJSONRPCMessage } from '@modelcontextprotocol/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../../errors.ts';
import { agentNameFor, queryParameter } from '../../http/agent-identity.ts';
import { connectWithNotices } from '../agent-notices.ts';
import { createMcpServer } from '../mcp-server.ts';
import { authInfoOf } from './caller-info.ts';
import type { McpRouteOptions } from './route-options.ts';
import { SseTransport } from './sse-transport.ts';
import { webRequestOf } from './web-exchange.ts';

/** MCP over HTTP+SSE: `GET /sse` is the session, `POST /messages` brings the client's messages. */
export function sseRoutes(app: FastifyInstance, options: McpRouteOptions): void {
  const { sessions } = options;
  const config = { jsonRpcErrors: true };

  app.get(
    '/sse',
    { config, exposeHeadRoute: false, sse: { kind: 'only', serializer } },
    (request, reply) => openSession(request, reply, options),
  );
  app.post('/messages', { config }, async (request, reply) => {
    const transport = sessions.get(sessionIdOf(request), SseTransport, request.principal);
    const message = parseMessage(request.body);
    const authInfo = authInfoOf(request.principal);
    transport.receive(message, { request: await webRequestOf(request), authInfo });
    return reply.code(202).send('Accepted');
  });
}

async function openSession(
  request: FastifyRequest,
  reply: FastifyReply,
  { sessions, agents, log, ...options }: McpRouteOptions,
): Promise<void> {
  const defaultAgentName = agentNameFor(request);
  const transport = new SseTransport(reply, new URL(request.url, 'http://sse').searchParams);
  sessions.add(transport, request.principal);
  const server = createMcpServer({
    ...options,
    defaultAgentName,
    stateless: false,
    log: log.child({ mcp_session: transport.id }),
  });
  const onClose = () => sessions.remove(transport.id);
  const caller = sessions.liveCaller(transport.id, request.principal);
  const notices = { agents: agents(caller), defaultAgentName, onClose, log };
  await connectWithNotices(server, transport, notices);
}

/** The endpoint event is a bare path, not JSON. */
function serializer(data: unknown): string {
  return typeof data === 'string' ? data : JSON.stringify(data);
}

function sessionIdOf(request: FastifyRequest): string {
  const id = queryParameter(request, 'sessionId');
  if (typeof id === 'string') return id;
  throw new AppError('invalid_input', 'The URL has no sessionId; open GET /sse to be given one.');
}

function parseMessage(body: unknown): JSONRPCMessage {
  try {
    return parseJSONRPCMessage(body);
  } catch (cause) {
    throw new AppError('invalid_input', 'The body is not a JSON-RPC 2.0 message.', { cause });
  }
}
