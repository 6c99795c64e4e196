import { type FetchLike, SSEClientTransport } from '@modelcontextprotocol/client';
import { z } from 'zod';
import type { AgentName } from '../identity/agent-id.ts';
import { AGENT_ID_HEADER } from '../transports/http/agent-identity.ts';

const refusalBody = z.object({
  error: z.object({ code: z.int(), message: z.string(), data: z.unknown().optional() }),
});

type JsonRpcError = z.output<typeof refusalBody>['error'];

/** The server refused a message. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly error: JsonRpcError;

  constructor(error: JsonRpcError) {
    super(error.message);
    this.error = error;
  }
}

/**
 * A session that is not started yet. HTTP+SSE instead of Streamable HTTP: one stream keeps messages in
 * order, its end shows that the server is gone, and the session lasts as long as the stream.
 */
export function serverSession(
  url: string,
  { agentName, token }: { agentName: AgentName; token: string | undefined },
): SSEClientTransport {
  return new SSEClientTransport(new URL(`${url}/sse`), {
    fetch: fetchOrRefusal,
    requestInit: {
      headers: {
        [AGENT_ID_HEADER]: agentName,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
    },
  });
}

/** Keeps the error of the server, of which the transport would keep a sentence only. */
const fetchOrRefusal: FetchLike = async (url, init) => {
  const response = await fetch(url, init);
  if (response.ok) return response;
  const body = refusalBody.safeParse(await response.json().catch(() => undefined));
  if (body.success) throw new Refusal(body.data.error);
  throw new Error(`${new URL(url).origin} answered HTTP ${response.status}.`);
};
