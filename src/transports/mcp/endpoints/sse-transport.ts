import { randomUUID } from 'node:crypto';
import type { JSONRPCMessage, MessageExtraInfo, Transport } from '@modelcontextprotocol/server';
import type { FastifyReply } from 'fastify';
import type { McpSession } from './mcp-sessions.ts';

/**
 * Bytes that may wait for a client that reads slowly; with more it is dropped, since its session
 * would hold results in memory for as long as its connection lives. Several large results fit.
 */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024;

/**
 * The HTTP+SSE transport of the protocol's first revision, which the SDK's v2 has only for
 * clients: one event stream to the client, one POST for each message from it.
 */
export class SseTransport implements Transport, McpSession {
  readonly id = randomUUID();
  readonly sessionId = this.id;
  /** A session is in use while its stream is open. */
  readonly idleSince = undefined;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: <T extends JSONRPCMessage>(message: T, extra?: MessageExtraInfo) => void;
  readonly #reply: FastifyReply;
  readonly #endpoint: string;
  #closed = false;

  /** `endpoint` is the path and query to which the client posts; the session id is appended. */
  constructor(reply: FastifyReply, endpoint: URLSearchParams) {
    this.#reply = reply;
    endpoint.set('sessionId', this.id);
    this.#endpoint = `/messages?${endpoint}`;
  }

  async start(): Promise<void> {
    const { sse, raw } = this.#reply;
    // Each unread event listens for the buffer to drain.
    raw.setMaxListeners(0);
    sse.keepAlive();
    sse.onClose(() => void this.close());
    await sse.send({ event: 'endpoint', data: this.#endpoint });
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#closed) throw new Error('The SSE stream of this session is closed.');
    const { sse, raw, log } = this.#reply;
    if (raw.writableLength > MAX_UNREAD_BYTES) {
      log.warn({ mcp_session: this.id, unread_bytes: raw.writableLength }, 'slow client dropped');
      raw.destroy();
      return this.close();
    }
    // Not awaited: it would wait for a slow client, and forever for one that leaves meanwhile.
    sse.send({ event: 'message', data: message }).catch((error) => this.onerror?.(error));
  }

  /** Handles a message that the client posted. */
  receive(message: JSONRPCMessage, extra: MessageExtraInfo): void {
    this.onmessage?.(message, extra);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#reply.sse.close();
    this.onclose?.();
  }
}
