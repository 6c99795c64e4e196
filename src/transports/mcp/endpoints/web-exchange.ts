import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { toWebRequest } from '@modelcontextprotocol/node';
import type { ServerContext } from '@modelcontextprotocol/server';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AgentName } from '../../../identity/agent-id.ts';
import { AGENT_ID_HEADER } from '../../http/agent-identity.ts';

const CORRELATION_ID_HEADER = 'x-correlation-id';

/**
 * The request as the SDK's web-standard handlers take it. It carries our correlation id and the
 * caller's agent id as headers, whatever the client sent under those names.
 */
export function webRequestOf(
  request: FastifyRequest,
  { agentName, signal }: { agentName?: AgentName; signal?: AbortSignal } = {},
): Promise<Request> {
  const headers = {
    ...request.headers,
    [CORRELATION_ID_HEADER]: request.id,
    ...(agentName && { [AGENT_ID_HEADER]: agentName }),
  };
  const { method, url, body } = request;
  return toWebRequest({ method, url, headers, [Symbol.asyncIterator]: nothing }, body, { signal });
}

/** The correlation id of the HTTP request that brought a message. */
export function correlationIdOf({ http }: ServerContext): string {
  return http?.req?.headers.get(CORRELATION_ID_HEADER) ?? randomUUID();
}

/** Streams a web-standard response, its head first. A client that disconnects cancels the stream. */
export async function sendWebResponse(reply: FastifyReply, response: Response): Promise<void> {
  reply.hijack();
  const { raw } = reply;
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) raw.setHeader(name, value);
  }
  raw.writeHead(response.status, Object.fromEntries(response.headers));
  if (!response.body) return void raw.end();
  raw.flushHeaders();
  // A bare web stream is cancelled only at its next chunk. This fails only if the client disconnected.
  await pipeline(Readable.fromWeb(response.body), raw).catch(() => {});
}

/** The body has been read already. */
async function* nothing(): AsyncGenerator<Uint8Array> {}
