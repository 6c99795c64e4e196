import type { FastifyInstance } from 'fastify';
import { isKnown } from '../http/authentication.ts';

const ENDPOINTS = {
  '/sse': 'MCP over HTTP+SSE (claude mcp add --transport sse)',
  '/mcp': 'MCP over Streamable HTTP',
  '/tools': 'the tools as plain HTTP: GET lists them, POST /tools/NAME calls one',
  '/api/v1/turns/ID': 'a turn as it is now; /events streams what happens in it',
  '/api/v1/agents/events': 'what happens to agents, as it happens; /api/v1/agents/ID/events of one',
  '/api/v1/approvals': 'what waits for approval: GET lists, POST /ID decides, /events streams',
  '/ws': 'the same as a WebSocket, which tells and decides',
  '/health': 'whether calls can be served, and why not',
  '/ping': 'whether the server process answers',
};

/** Version, tools and health of the server. */
export function infoRoutes(
  app: FastifyInstance,
  {
    health,
    version,
  }: { health: () => Promise<{ ready: boolean; status?: unknown }>; version: string },
): void {
  const isPublic = { config: { isPublic: true } };
  app.get('/', isPublic, () => ({ name: 'codex-mcp-server', version, endpoints: ENDPOINTS }));
  app.get('/ping', isPublic, () => ({ status: 'ok' }));
  app.get('/health', isPublic, async (request, reply) => {
    const report = await health();
    const { ready, status } = report;
    return reply
      .code(ready ? 200 : 503)
      .header('cache-control', 'no-store')
      .send(isKnown(request) ? report : { ready, status, version });
  });
}
