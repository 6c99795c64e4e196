import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { reportError } from '../../errors.ts';
import type { ToolCall } from '../../tools/tool.ts';
import type { Toolbox } from '../../tools/toolbox.ts';
import { agentNameFor } from '../http/agent-identity.ts';
import { disconnectSignal } from '../http/disconnect.ts';
import { logFailure } from '../http/failure-log.ts';
import { acceptCurlBodies } from '../http/json-body.ts';

type NamedTool = { Params: { name: string } };

/** The tools for clients without MCP: arguments in, result or error out. */
export function toolRoutes(
  app: FastifyInstance,
  { toolbox, log }: { toolbox: Toolbox; log: Logger },
): void {
  acceptCurlBodies(app);
  app.get('/tools', () => ({ tools: toolbox.list() }));
  app.post<NamedTool>('/tools/:name', { sse: 'dual' }, async (request, reply) => {
    const call = callOf(request, reply, log);
    // The SSE plugin sets `reply.sse` only for requests that accept an event stream.
    if (!('sse' in reply)) return toolbox.call(request.params.name, request.body, call);
    return streamCall(request, reply, toolbox, call);
  });
}

function callOf(request: FastifyRequest<NamedTool>, reply: FastifyReply, log: Logger): ToolCall {
  return {
    principal: request.principal,
    defaultAgentName: agentNameFor(request),
    signal: disconnectSignal(reply),
    correlationId: request.id,
    log: log.child({ correlation_id: request.id, tool: request.params.name }),
    progress: () => {},
  };
}

async function streamCall(
  request: FastifyRequest<NamedTool>,
  reply: FastifyReply,
  toolbox: Toolbox,
  call: ToolCall,
): Promise<void> {
  const started = performance.now();
  const send = (event: string, data: unknown) => {
    // The call goes on although its client has disconnected.
    if (reply.sse.isConnected) reply.sse.send({ event, data }).catch(() => {});
  };
  const progress = (message: string) => {
    if (reply.raw.writableNeedDrain) return;
    const elapsed = (performance.now() - started) / 1000;
    send('progress', { message, elapsed_seconds: Number(elapsed.toFixed(3)) });
  };
  reply.sse.sendHeaders();
  reply.raw.flushHeaders();
  try {
    send('result', await toolbox.call(request.params.name, request.body, { ...call, progress }));
  } catch (error) {
    logFailure(call.log, error);
    send('error', { error: reportError(error, request.id) });
  }
}
