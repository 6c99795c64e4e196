import { type FetchLike, SSEClientTransport } from '@modelcontextprotocol/client';
import { z } from 'zod';
import { AGENT_ID_HEADER } from '../transports/http/agent-identity.ts';

const refusalBody = z.object({
  error: z.object({ code: z.int(), message: z.string(), data: z.unknown().optional() }),
});

type JsonRpcError = z.output<typeof refusalBody>['error'];

/** The server did not take a message, and said why. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly error: JsonRpcError;

  constructor(error: JsonRpcError) {
    super(error.message);
    this.error = error;
  }
}

/**
 * A session with a server, not yet started. It is HTTP+SSE, not Streamable HTTP: one stream brings
 * everything in order, its end is the sign that the server is gone, and the session lasts as long
 * as the stream, however rarely the client calls.
 */
export function serverSession(
  url: string,
  { agentId, token }: { agentId: string; token: string | undefined },
): SSEClientTransport {
  return new SSEClientTransport(new URL(`${url}/sse`), {
    fetch: fetchOrRefusal,
    requestInit: {
      headers: {
        [AGENT_ID_HEADER]: agentId,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
    },
  });
}

/** The transport would make a sentence of the server's answer; the client is to have it as it is. */
const fetchOrRefusal: FetchLike = async (url, init) => {
  const response = await fetch(url, init);
  if (response.ok) return response;
  const body = refusalBody.safeParse(await response.json().catch(() => undefined));
  if (body.success) throw new Refusal(body.data.error);
  throw new Error(`${new URL(url).origin} answered HTTP ${response.status}.`);
};
