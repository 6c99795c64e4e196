import {
  createMcpHandler,
  isInitializeRequest,
  isLegacyRequest,
  type McpHttpHandler,
} from '@modelcontextprotocol/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { AgentEvents } from '../agents/agent-events.ts';
import { AppError } from '../errors.ts';
import { AGENT_ID_HEADER, agentIdFor } from '../http/agent-identity.ts';
import { disconnectSignal } from '../http/disconnect.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import { createMcpServer } from './mcp-server.ts';
import type { McpSessions } from './mcp-sessions.ts';
import { StreamableSession } from './streamable-session.ts';
import type { Tasks } from './tasks.ts';
import { sendWebResponse, webRequestOf } from './web-exchange.ts';

type Options = {
  toolbox: Toolbox;
  tasks: Tasks;
  sessions: McpSessions;
  events: AgentEvents;
  log: Logger;
  version: string;
};

/** MCP over Streamable HTTP: revision 2026-07-28 without sessions, those of 2025 with. */
export function streamableRoutes(app: FastifyInstance, options: Options): void {
  // Streams carry keep-alive comments: HTTP clients give up a silent answer after minutes.
  const calls = statelessHandler(options, 'sse');
  // Of tasks clients ask often, and the answer is there at once.
  const polls = statelessHandler(options, 'auto');
  app.addHook('preClose', async () => {
    await Promise.all([calls.close(), polls.close()]);
  });
  app.route({
    method: ['GET', 'POST', 'DELETE'],
    url: '/mcp',
    exposeHeadRoute: false,
    config: { jsonRpcErrors: true },
    handler: async (request, reply) => {
      const agentId = agentIdFor(request);
      const web = await webRequestOf(request, { agentId, signal: disconnectSignal(reply) });
      if (await isLegacyRequest(web, request.body)) {
        await serveSession(request, reply, web, { ...options, defaultAgentId: agentId });
      } else {
        const handler = web.headers.get('mcp-method')?.startsWith('tasks/') ? polls : calls;
        await sendWebResponse(reply, await handler.fetch(web, { parsedBody: request.body }));
      }
    },
  });
}

function statelessHandler(options: Options, responseMode: 'sse' | 'auto'): McpHttpHandler {
  return createMcpHandler(
    ({ requestInfo }) => {
      const defaultAgentId = requestInfo?.headers.get(AGENT_ID_HEADER) ?? '';
      return createMcpServer({ ...options, defaultAgentId, stateless: true });
    },
    {
      legacy: 'reject',
      responseMode,
      onerror: (error) => options.log.warn({ err: error }, 'MCP request was refused'),
    },
  );
}

async function serveSession(
  request: FastifyRequest,
  reply: FastifyReply,
  web: Request,
  options: Options & { defaultAgentId: string },
): Promise<void> {
  const { sessions } = options;
  const id = request.headers['mcp-session-id'];
  const session =
    typeof id === 'string'
      ? sessions.get(id, StreamableSession)
      : await openSession(request, options);
  await session.use(async () => {
    const response = await session.handle(web, request.body);
    if (!session.isInitialized) await session.close();
    await sendWebResponse(reply, response);
  });
}

async function openSession(
  { body }: FastifyRequest,
  { sessions, ...options }: Options & { defaultAgentId: string },
): Promise<StreamableSession> {
  if (!isInitializeRequest(body)) {
    throw new AppError(
      'invalid_input',
      'Mcp-Session-Id is missing, and this is no initialize. Clients of HTTP+SSE connect to /sse.',
    );
  }
  const session = new StreamableSession();
  sessions.add(session);
  await session.open(options, () => sessions.remove(session.id));
  return session;
}
