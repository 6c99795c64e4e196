import { randomUUID } from 'node:crypto';
import {
  type AuthInfo,
  type JSONRPCMessage,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import { connectWithNotices, type NoticedAgents } from '../agent-notices.ts';
import { createMcpServer, type McpServerOptions } from '../mcp-server.ts';
import type { McpSession } from './mcp-sessions.ts';

/** A session of Streamable HTTP as the protocol revisions of 2025 have it. */
export class StreamableSession implements McpSession {
  readonly id = randomUUID();
  readonly #transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: () => this.id,
  });
  #uses = 0;
  #lastUse = performance.now();

  get idleSince(): number | undefined {
    return this.#uses > 0 ? undefined : this.#lastUse;
  }

  /** Starts the session. `onClose` is called exactly once. */
  async open(
    options: Omit<McpServerOptions, 'stateless'> & { agents: NoticedAgents },
    onClose: () => void,
  ): Promise<void> {
    const { toolbox } = options;
    const server = createMcpServer({
      ...options,
      stateless: false,
      log: options.log.child({ mcp_session: this.id }),
      toolbox: {
        list: () => toolbox.list(),
        // A call counts as use although its client may have disconnected, which nothing reports.
        call: (name, args, call) => this.use(() => toolbox.call(name, args, call)),
      },
    });
    const { agents, defaultAgentName, log } = options;
    await connectWithNotices(server, this.#transport, { agents, defaultAgentName, onClose, log });
    this.#endStreamsOfCancelledCalls();
  }

  handle(request: Request, from: { parsedBody: unknown; authInfo: AuthInfo }): Promise<Response> {
    return this.#transport.handleRequest(request, from);
  }

  /** Whether the client has received the id of the session. */
  get isInitialized(): boolean {
    return this.#transport.sessionId !== undefined;
  }

  /** Keeps the session from counting as idle while the action lasts. */
  async use<T>(action: () => Promise<T>): Promise<T> {
    this.#uses += 1;
    try {
      return await action();
    } finally {
      this.#uses -= 1;
      this.#lastUse = performance.now();
    }
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  /** A cancelled request is never answered, so the SDK would keep its stream open for ever. */
  #endStreamsOfCancelledCalls(): void {
    const deliver = this.#transport.onmessage;
    this.#transport.onmessage = (message, extra) => {
      deliver?.(message, extra);
      const requestId = cancelledRequest(message);
      if (requestId !== undefined) this.#transport.closeSSEStream(requestId);
    };
  }
}

function cancelledRequest(message: JSONRPCMessage): string | number | undefined {
  if (!('method' in message) || message.method !== 'notifications/cancelled') return undefined;
  const requestId = message.params?.requestId;
  return typeof requestId === 'string' || typeof requestId === 'number' ? requestId : undefined;
}
