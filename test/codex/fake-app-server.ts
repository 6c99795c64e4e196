import http from 'node:http';
import { type Duplex, duplexPair } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { type WebSocket, WebSocketServer } from 'ws';
import { connectAppServer } from '../../src/codex/app-server-client.ts';
import type { TurnOptions } from '../../src/codex/codex-client.ts';

type Message = { id?: number; method?: string; params?: Record<string, unknown> } & Record<
  string,
  unknown
>;
type Handler = (params: Record<string, unknown>, server: FakeAppServer) => unknown;

/** An app-server of our own, for what the real one does rarely or never. */
export class FakeAppServer {
  readonly received: Message[] = [];
  /** What a client is given as its stream. */
  readonly stream: Duplex;
  readonly #handlers: Record<string, Handler>;
  #socket: WebSocket | undefined;

  constructor(handlers: Record<string, Handler> = {}, userAgent = 'test/0.169.4 (Linux)') {
    const [near, far] = duplexPair();
    this.stream = near;
    this.#handlers = {
      initialize: () => ({ userAgent }),
      'turn/start': () => ({ turn: { id: 'turn-1' } }),
      ...handlers,
    };
    const sockets = new WebSocketServer({ noServer: true });
    const server = http.createServer();
    server.on('upgrade', (request, socket, head) => {
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        this.#socket = webSocket;
        webSocket.on('message', (data) => void this.#receive(JSON.parse(String(data))));
      });
    });
    server.emit('connection', far);
  }

  /** Reads no more, as a process that was stopped. */
  freeze(): void {
    this.#socket?.pause();
  }

  connect(requestTimeoutMs = 2000, silenceMs = 60_000) {
    return connectAppServer({
      stream: this.stream,
      log: pino({ level: 'silent' }),
      requestTimeoutMs,
      silenceMs,
      clientVersion: '0.0.1',
    });
  }

  send(message: unknown): void {
    this.sendText(JSON.stringify(message));
  }

  sendText(text: string): void {
    this.#socket?.send(text);
  }

  notify(method: string, params: Record<string, unknown>): void {
    this.send({ method, params: { threadId: 'thread-1', turnId: 'turn-1', ...params } });
  }

  endTurn(turn: Record<string, unknown> = { status: 'completed' }): void {
    this.notify('turn/completed', { turn: { id: 'turn-1', ...turn } });
  }

  /** Bytes that wait here because the client does not read. */
  get unsent(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** The client's reply to a request of ours. */
  async replyTo(id: number | string): Promise<Message> {
    for (;;) {
      const reply = this.received.find((message) => message.id === id && !message.method);
      if (reply) return reply;
      await sleep(2);
    }
  }

  async #receive(message: Message): Promise<void> {
    this.received.push(message);
    if (!message.method || message.id === undefined) return;
    const result = await this.#handlers[message.method]?.(message.params ?? {}, this);
    if (result !== undefined) this.send({ id: message.id, result });
  }
}

export const TURN: TurnOptions = {
  threadId: 'thread-1',
  prompt: 'Do it.',
  cwd: '/workspace',
  model: 'gpt-5.5',
  effort: 'low',
  sandbox: 'external',
  approvalPolicy: 'never',
  clientMessageId: 'message-1',
};
