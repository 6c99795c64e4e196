import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { z } from 'zod';
import { drained } from '../../concurrency/drained.ts';
import { AppError } from '../../errors.ts';

export type RpcReply = { result: unknown } | { error: { code: number; message: string } };

export type LateReply = { later: Promise<RpcReply> };

export type JsonRpcOptions = {
  /** Gives one text message per read and sends one per write. */
  messages: Duplex;
  log: Logger;
  requestTimeoutMs: number;
  onNotification: (method: string, params: unknown) => void;
  /** A reply that takes time is not waited for: other messages are read meanwhile. */
  onRequest: (id: string | number, method: string, params: unknown) => RpcReply | LateReply;
};

/** The peer answered a request with an error. Found as the `cause` of an `AppError`. */
export class RpcRefusal extends Error {
  override readonly name = 'RpcRefusal';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

type Waiting = {
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

/** A container can send what it likes: its garbage must not fill the log. */
const GARBAGE_LOGGED = 20;
const GARBAGE_SHOWN_CHARACTERS = 200;

/** Requests of a peer whose replies take time, or wait to be read by it. */
const LATE_REPLIES = 128;
const TOO_MANY: RpcReply = {
  error: { code: -32000, message: 'Too many requests wait to be answered.' },
};

/** JSON-RPC 2.0 without the `jsonrpc` member, as Codex speaks it, in both directions. */
export class JsonRpcConnection {
  /** Settles when the connection is over, with the reason if it broke. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  readonly #options: JsonRpcOptions;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #garbage = 0;
  #late = 0;
  #closing = false;
  #over = false;
  #fault: Error | undefined;

  constructor(options: JsonRpcOptions) {
    this.#options = options;
    this.closed = this.#read();
  }

  /** Rejects with `codex_failed` if the peer refuses, is silent for too long, or is gone. */
  async request<T>(
    method: string,
    params: unknown,
    reply: z.ZodType<T>,
    { timeoutMs = this.#options.requestTimeoutMs } = {},
  ): Promise<T> {
    const parsed = reply.safeParse(await this.#ask(method, params, timeoutMs));
    if (parsed.success) return parsed.data;
    throw new AppError('codex_failed', `Codex answered ${method} in an unknown form.`, {
      cause: parsed.error,
    });
  }

  /** Whether requests wait for their answers. */
  get awaits(): boolean {
    return this.#waiting.size > 0;
  }

  notify(method: string): void {
    this.#send({ method });
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#options.messages.destroy();
    await this.closed;
  }

  /** Ends the connection because of a fault that was found in it. */
  fail(reason: Error): void {
    // A stream whose handshake is not done forgets what it is destroyed for.
    this.#fault ??= reason;
    this.#options.messages.destroy(reason);
  }

  #ask(method: string, params: unknown, timeoutMs: number): Promise<unknown> {
    if (this.#over) return Promise.reject(lost(method));
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => this.#expire(id, timeoutMs), timeoutMs);
    this.#waiting.set(id, { method, resolve, reject, timer });
    this.#send({ id, method, params });
    return promise;
  }

  #expire(id: number, timeoutMs: number): void {
    const waiting = this.#take(id);
    waiting?.reject(
      new AppError(
        'codex_failed',
        `Codex did not answer ${waiting.method} within ${timeoutMs} ms.`,
      ),
    );
  }

  async #read(): Promise<Error | undefined> {
    const reason = await this.#dispatchAll();
    this.#over = true;
    this.#options.messages.destroy();
    if (this.#garbage > 0) {
      this.#options.log.warn({ discarded: this.#garbage }, 'discarded messages of Codex');
    }
    for (const id of [...this.#waiting.keys()]) {
      const waiting = this.#take(id);
      waiting?.reject(lost(waiting.method, reason));
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
    const hasRoom = this.#late < LATE_REPLIES;
    const reply = hasRoom ? this.#options.onRequest(id, method, params) : TOO_MANY;
    // Not reading on until a reply is sent bounds what a peer that never reads can pile up here.
    if ('later' in reply) void this.#replyLater(id, reply.later);
    else if (!this.#send({ id, ...reply })) await drained(this.#options.messages);
  }

  async #replyLater(id: string | number, reply: Promise<RpcReply>): Promise<void> {
    this.#late += 1;
    const message = { id, ...(await reply) };
    if (!this.#over && !this.#send(message)) await drained(this.#options.messages);
    this.#late -= 1;
  }

  #settle({ id, result, error }: Incoming): void {
    const waiting = typeof id === 'number' ? this.#take(id) : undefined;
    if (!waiting) throw new Error('A reply to no request, or a late one.');
    if (error) waiting.reject(refused(waiting.method, error));
    else waiting.resolve(result);
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(waiting?.timer);
    return waiting;
  }

  #send(message: Record<string, unknown>): boolean {
    return this.#options.messages.write(JSON.stringify(message));
  }

  #discard(text: string, error: unknown): void {
    this.#garbage += 1;
    if (this.#garbage > GARBAGE_LOGGED) return;
    const shown = text.slice(0, GARBAGE_SHOWN_CHARACTERS);
    this.#options.log.warn({ err: error, message: shown }, 'discarded a message of Codex');
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
