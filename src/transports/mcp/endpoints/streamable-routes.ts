import {
  createMcpHandler,
  isInitializeRequest,
  isLegacyRequest,
  type McpHttpHandler,
} from '@modelcontextprotocol/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../../errors.ts';
import { AGENT_ID_HEADER, agentNameFor } from '../../http/agent-identity.ts';
import { disconnectSignal } from '../../http/disconnect.ts';
import { createMcpServer } from '../mcp-server.ts';
import { authInfoOf } from './caller-info.ts';
import type { McpRouteOptions } from './route-options.ts';
import { StreamableSession } from './streamable-session.ts';
import { sendWebResponse, webRequestOf } from './web-exchange.ts';

/** MCP over Streamable HTTP: revision 2026-07-28 without sessions, those of 2025 with. */
export function streamableRoutes(app: FastifyInstance, options: McpRouteOptions): void {
  // Streams carry keep-alive comments: HTTP clients give up a silent response after minutes.
  const calls = statelessHandler(options, 'sse');
  // Clients poll tasks often, and these responses need no stream.
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
      const agentName = agentNameFor(request);
      const web = await webRequestOf(request, { agentName, signal: disconnectSignal(reply) });
      if (await isLegacyRequest(web, request.body)) {
        await serveSession(request, reply, web, options);
      } else {
        const handler = web.headers.get('mcp-method')?.startsWith('tasks/') ? polls : calls;
        const { body: parsedBody, principal } = request;
        const authInfo = authInfoOf(principal);
        await sendWebResponse(reply, await handler.fetch(web, { parsedBody, authInfo }));
      }
    },
  });
}

function statelessHandler(options: McpRouteOptions, responseMode: 'sse' | 'auto'): McpHttpHandler {
  return createMcpHandler(
    ({ requestInfo }) => {
      const defaultAgentName = requestInfo?.headers.get(AGENT_ID_HEADER) ?? '';
      return createMcpServer({ ...options, defaultAgentName, stateless: true });
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
  options: McpRouteOptions,
): Promise<void> {
  const { sessions } = options;
  const id = request.headers['mcp-session-id'];
  const session =
    typeof id === 'string'
      ? sessions.get(id, StreamableSession, request.principal)
      : await openSession(request, options);
  await session.use(async () => {
    const { body: parsedBody, principal } = request;
    const authInfo = authInfoOf(principal);
    const response = await session.handle(web, { parsedBody, authInfo });
    if (!session.isInitialized) await session.close();
    await sendWebResponse(reply, response);
  });
}

async function openSession(
  request: FastifyRequest,
  { sessions, agents, ...options }: McpRouteOptions,
): Promise<StreamableSession> {
  const { body, principal } = request;
  if (!isInitializeRequest(body)) {
    throw new AppError(
      'invalid_input',
      'Mcp-Session-Id is missing, and this is no initialize. Clients of HTTP+SSE connect to /sse.',
    );
  }
  const session = new StreamableSession();
  sessions.add(session, principal);
  const served = {
    ...options,
    agents: agents(sessions.liveCaller(session.id, principal)),
    defaultAgentName: agentNameFor(request),
  };
  await session.open(served, () => sessions.remove(session.id));
  return session;
}
