import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { z } from 'zod';
import { drained } from '../../concurrency/drained.ts';
import { AppError } from '../../errors.ts';

export type RpcReply = { result: unknown } | { error: { code: number; message: string } };

export type DeferredReply = { deferred: Promise<RpcReply> };

export type JsonRpcOptions = {
  /** One text message per read and per write. */
  messages: Duplex;
  log: Logger;
  requestTimeoutMs: number;
  onNotification: (method: string, params: unknown) => void;
  /** The connection reads other messages while a deferred reply is pending. */
  onRequest: (id: string | number, method: string, params: unknown) => RpcReply | DeferredReply;
};

/** An error response of the peer; the `cause` of an `AppError`. */
export class RpcRefusal extends Error {
  override readonly name = 'RpcRefusal';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

type PendingRequest = {
  method: string;
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout;
};

const incoming = z.object({
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z.object({ code: z.number(), message: z.string() }).optional(),
});
type Incoming = z.infer<typeof incoming>;

/** A container may send anything: invalid messages must not fill the log. */
const MAX_INVALID_LOGGED = 20;
const INVALID_LOGGED_CHARACTERS = 200;

const MAX_DEFERRED_REPLIES = 128;
const TOO_MANY: RpcReply = {
  error: { code: -32000, message: 'Too many requests are pending.' },
};

/** JSON-RPC 2.0 in both directions, without the `jsonrpc` member, as Codex speaks it. */
export class JsonRpcConnection {
  /** Resolves when the connection has ended, with the error if it broke. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  readonly #options: JsonRpcOptions;
  readonly #pending = new Map<number, PendingRequest>();
  #lastId = 0;
  #invalidMessages = 0;
  #deferredReplies = 0;
  #closing = false;
  #ended = false;
  #fault: Error | undefined;

  constructor(options: JsonRpcOptions) {
    this.#options = options;
    this.closed = this.#read();
  }

  /** Throws `codex_failed` if the peer answers with an error, in an unknown form or not in time. */
  async request<T>(
    method: string,
    params: unknown,
    reply: z.ZodType<T>,
    { timeoutMs = this.#options.requestTimeoutMs } = {},
  ): Promise<T> {
    const parsed = reply.safeParse(await this.#send(method, params, timeoutMs));
    if (parsed.success) return parsed.data;
    throw new AppError('codex_failed', `Codex answered ${method} in an unknown form.`, {
      cause: parsed.error,
    });
  }

  /** Whether a request has no response yet. */
  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  notify(method: string): void {
    this.#write({ method });
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#options.messages.destroy();
    await this.closed;
  }

  /** Ends the connection with an error. */
  fail(reason: Error): void {
    // A stream in the middle of its handshake drops the reason that it is destroyed with.
    this.#fault ??= reason;
    this.#options.messages.destroy(reason);
  }

  #send(method: string, params: unknown, timeoutMs: number): Promise<unknown> {
    if (this.#ended) return Promise.reject(lost(method));
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => this.#expire(id, timeoutMs), timeoutMs);
    this.#pending.set(id, { method, resolve, reject, timer });
    this.#write({ id, method, params });
    return promise;
  }

  #expire(id: number, timeoutMs: number): void {
    const pending = this.#take(id);
    pending?.reject(
      new AppError(
        'codex_failed',
        `Codex did not answer ${pending.method} within ${timeoutMs} ms.`,
      ),
    );
  }

  async #read(): Promise<Error | undefined> {
    const reason = await this.#dispatchAll();
    this.#ended = true;
    this.#options.messages.destroy();
    if (this.#invalidMessages > 0) {
      this.#options.log.warn(
        { discarded: this.#invalidMessages },
        'Discarded invalid messages of Codex',
      );
    }
    for (const id of [...this.#pending.keys()]) {
      const pending = this.#take(id);
      pending?.reject(lost(pending.method, reason));
    }
    return reason;
  }

  async #dispatchAll(): Promise<Error | undefined> {
    try {
      for await (const text of this.#options.messages) await this.#receive(String(text));
    } catch (error) {
      if (this.#fault) return this.#fault;
      if (!this.#closing) return error instanceof Error ? error : new Error(String(error));
    }
    return this.#closing ? undefined : new Error('The stream to Codex ended.');
  }

  async #receive(text: string): Promise<void> {
    try {
      await this.#dispatch(incoming.parse(JSON.parse(text)));
    } catch (error) {
      this.#discard(text, error);
    }
  }

  async #dispatch(message: Incoming): Promise<void> {
    const { id, method, params } = message;
    if (method === undefined) return this.#settle(message);
    if (id === undefined) return this.#options.onNotification(method, params);
    const hasRoom = this.#deferredReplies < MAX_DEFERRED_REPLIES;
    const reply = hasRoom ? this.#options.onRequest(id, method, params) : TOO_MANY;
    // Reading waits for the reply to be sent, so a peer that never reads cannot fill the buffer.
    if ('deferred' in reply) void this.#replyDeferred(id, reply.deferred);
    else if (!this.#write({ id, ...reply })) await drained(this.#options.messages);
  }

  async #replyDeferred(id: string | number, reply: Promise<RpcReply>): Promise<void> {
    this.#deferredReplies += 1;
    const message = { id, ...(await reply) };
    if (!this.#ended && !this.#write(message)) await drained(this.#options.messages);
    this.#deferredReplies -= 1;
  }

  #settle({ id, result, error }: Incoming): void {
    const pending = typeof id === 'number' ? this.#take(id) : undefined;
    if (!pending) throw new Error('A reply to an unknown or expired request.');
    if (error) pending.reject(refused(pending.method, error));
    else pending.resolve(result);
  }

  #take(id: number): PendingRequest | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(pending?.timer);
    return pending;
  }

  #write(message: Record<string, unknown>): boolean {
    return this.#options.messages.write(JSON.stringify(message));
  }

  #discard(text: string, error: unknown): void {
    this.#invalidMessages += 1;
    if (this.#invalidMessages > MAX_INVALID_LOGGED) return;
    const shown = text.slice(0, INVALID_LOGGED_CHARACTERS);
    this.#options.log.warn({ err: error, message: shown }, 'Discarded an invalid message of Codex');
  }
}

function lost(method: string, cause?: Error): AppError {
  return new AppError(
    'codex_failed',
    `The connection to Codex broke before ${method} was answered.`,
    { cause },
  );
}

function refused(method: string, { code, message }: { code: number; message: string }): AppError {
  return new AppError('codex_failed', `Codex refused ${method}: ${message}`, {
    cause: new RpcRefusal(code, message),
  });
}
