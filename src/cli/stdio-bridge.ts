import {
  isJSONRPCNotification,
  isJSONRPCRequest,
  type JSONRPCMessage,
  type JSONRPCRequest,
  type RequestId,
  SseError,
  type Transport,
} from '@modelcontextprotocol/client';
import PQueue from 'p-queue';
import type { Logger } from 'pino';
import { AppError, ERRORS, reportError } from '../errors.ts';
import { OpenRequests } from './open-requests.ts';
import { Refusal } from './server-session.ts';

/** Id of the bridge's own initialize after a reconnect; its answer is not for the client. */
const REPLAY_ID = 'codex-mcp-stdio-initialize';

type Options = {
  client: Transport;
  /** Creates a session. `lostAt`: when the last one was lost. */
  connect: (lostAt?: number) => Promise<Transport>;
  log: Logger;
};

/** Forwards messages between one client and successive sessions of a server. */
export class StdioBridge {
  readonly #client: Transport;
  readonly #connect: Options['connect'];
  readonly #log: Logger;
  readonly #clientRequests = new OpenRequests();
  readonly #serverRequests = new OpenRequests();
  /** One after the other, so that no cancel overtakes its request. */
  readonly #sending = new PQueue({ concurrency: 1 });
  #session: Transport | undefined;
  #sessionEnd = Promise.withResolvers<void>();
  #lostAt: number | undefined;
  #initialize: JSONRPCRequest | undefined;

  constructor({ client, connect, log }: Options) {
    this.#client = client;
    this.#connect = connect;
    this.#log = log;
  }

  async start(): Promise<void> {
    await this.#open();
    this.#client.onmessage = (message) => {
      void this.#sending.add(() => this.#toServer(message));
    };
    this.#client.onerror = (error) => this.#log.warn({ err: error }, 'Bad message from the client');
    await this.#client.start();
  }

  /** Resolves when the last message of a closing server has arrived. */
  async sessionEnd(): Promise<void> {
    if (this.#session) await this.#sessionEnd.promise;
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#failOpenRequests('This program was stopped before the server answered.');
    await session?.close();
    await this.#client.close();
  }

  async #toServer(message: JSONRPCMessage): Promise<void> {
    if (isJSONRPCRequest(message)) return this.#ask(message);
    if (isJSONRPCNotification(message)) this.#clientRequests.closeIfCancelled(message);
    // An answer for a lost session must not reach the next one, whose ids may be the same.
    else if (!this.#serverRequests.close(message.id)) return;
    await this.#session
      ?.send(message)
      .catch((error) => this.#log.warn({ err: error }, 'A message did not reach the server'));
  }

  async #ask(request: JSONRPCRequest): Promise<void> {
    this.#clientRequests.add(request.id);
    try {
      const session = this.#session ?? (await this.#reopen(request));
      if (request.method === 'initialize') this.#initialize = request;
      await session.send(request);
    } catch (error) {
      this.#log.warn({ err: error }, 'A request did not reach the server');
      if (error instanceof Refusal) this.#refuse(request.id, error.error);
      else this.#refuse(request.id, lost(error instanceof Error ? error.message : String(error)));
    }
  }

  /** Opens a session and replays the initialize of the client, unless the client sends one now. */
  async #reopen({ method }: JSONRPCRequest): Promise<Transport> {
    const session = await this.#open();
    this.#log.info('Connected to the server again');
    if (!this.#initialize || method === 'initialize') return session;
    try {
      await session.send({ ...this.#initialize, id: REPLAY_ID });
      await session.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    } catch (error) {
      this.#dropSession(session);
      throw error;
    }
    return session;
  }

  async #open(): Promise<Transport> {
    const session = await this.#connect(this.#lostAt);
    session.onmessage = (message) => this.#toClient(session, message);
    session.onerror = (error) => {
      if (error instanceof SseError) this.#dropSession(session);
    };
    try {
      await session.start();
    } catch (error) {
      // Or the transport would retry.
      await session.close();
      throw error;
    }
    this.#session = session;
    this.#sessionEnd = Promise.withResolvers();
    return session;
  }

  #toClient(session: Transport, message: JSONRPCMessage): void {
    if (session !== this.#session) return;
    if (isJSONRPCRequest(message)) this.#serverRequests.add(message.id);
    else if (isJSONRPCNotification(message)) this.#serverRequests.closeIfCancelled(message);
    else if (message.id === REPLAY_ID) return;
    else this.#clientRequests.close(message.id);
    this.#sendToClient(message);
  }

  #dropSession(session: Transport): void {
    if (session !== this.#session) return;
    this.#session = undefined;
    this.#lostAt = Date.now();
    this.#sessionEnd.resolve();
    this.#log.warn({ unanswered: this.#clientRequests.size }, 'Lost the connection to the server');
    // The transport would reconnect to a session that is not initialized.
    void session.close();
    this.#failOpenRequests('The server disconnected before it answered.');
  }

  #failOpenRequests(reason: string): void {
    const error = lost(`${reason} Call get_my_session_info for the outcome of a call.`);
    for (const id of this.#clientRequests.closeAll())
      this.#sendToClient({ jsonrpc: '2.0', id, error });
    for (const requestId of this.#serverRequests.closeAll()) {
      const params = { requestId, reason };
      this.#sendToClient({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
    }
  }

  #refuse(id: RequestId, error: { code: number; message: string; data?: unknown }): void {
    if (this.#clientRequests.close(id)) this.#sendToClient({ jsonrpc: '2.0', id, error });
  }

  #sendToClient(message: JSONRPCMessage): void {
    this.#client
      .send(message)
      .catch((error) => this.#log.debug({ err: error }, 'The client reads no more'));
  }
}

function lost(message: string): { code: number; message: string; data: unknown } {
  const report = reportError(new AppError('shutting_down', message));
  return { code: ERRORS.shutting_down.rpc, message: `${message} ${report.hint}`, data: report };
}
