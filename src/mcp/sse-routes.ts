import { type JSONRPCMessage, parseJSONRPCMessage } from '@modelcontextprotocol/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { AgentEvents } from '../agents/agent-events.ts';
import { AppError } from '../errors.ts';
import { agentIdFor, queryParameter } from '../http/agent-identity.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import { connectWithNotices } from './agent-notices.ts';
import { createMcpServer } from './mcp-server.ts';
import type { McpSessions } from './mcp-sessions.ts';
import { SseTransport } from './sse-transport.ts';
import type { Tasks } from './tasks.ts';
import { webRequestOf } from './web-exchange.ts';

type Options = {
  toolbox: Toolbox;
  tasks: Tasks;
  sessions: McpSessions;
  events: AgentEvents;
  log: Logger;
  version: string;
};

/** MCP over HTTP+SSE: `GET /sse` is the session, `POST /messages` brings the client's messages. */
export function sseRoutes(app: FastifyInstance, options: Options): void {
  const { sessions } = options;
  const config = { jsonRpcErrors: true };

  app.get(
    '/sse',
    { config, exposeHeadRoute: false, sse: { kind: 'only', serializer } },
    (request, reply) => openSession(request, reply, options),
  );
  app.post('/messages', { config }, async (request, reply) => {
    const transport = sessions.get(sessionIdOf(request), SseTransport);
    transport.receive(parseMessage(request.body), await webRequestOf(request));
    return reply.code(202).send('Accepted');
  });
}

async function openSession(
  request: FastifyRequest,
  reply: FastifyReply,
  { toolbox, tasks, sessions, events, log, version }: Options,
): Promise<void> {
  const defaultAgentId = agentIdFor(request);
  const transport = new SseTransport(reply, new URL(request.url, 'http://sse').searchParams);
  sessions.add(transport);
  const server = createMcpServer({
    toolbox,
    tasks,
    defaultAgentId,
    stateless: false,
    log: log.child({ mcp_session: transport.id }),
    version,
  });
  const onClose = () => sessions.remove(transport.id);
  await connectWithNotices(server, transport, { events, defaultAgentId, onClose, log });
}

/** The endpoint event is a bare path and no JSON. */
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
