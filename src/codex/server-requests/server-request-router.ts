import type { Logger } from 'pino';
import type { DeferredReply, RpcReply } from '../connection/json-rpc.ts';
import type { ActiveTurn } from '../turns/active-turn.ts';
import type { ThreadTurns } from '../turns/thread-turns.ts';
import { defaultReply } from './default-replies.ts';
import { HeldRequests } from './held-requests.ts';
import { parseServerRequest } from './parse-server-request.ts';
import type { ServerRequest, ServerRequestAnswer } from './server-request.ts';

/** Routes each server request to the running turn of its thread; all others get the default reply. */
export class ServerRequestRouter {
  readonly #turns: Pick<ThreadTurns, 'of'>;
  readonly #log: Logger;
  readonly #held = new HeldRequests();
  /** Resumed threads without a turn of ours so far: a turn of an earlier connection may be joined. */
  readonly #resumed = new Set<string>();

  constructor(turns: Pick<ThreadTurns, 'of'>, log: Logger) {
    this.#turns = turns;
    this.#log = log;
  }

  /** Holds requests of a thread until {@link release}. */
  hold(threadId: string): void {
    if (!this.#turns.of(threadId)) this.#resumed.add(threadId);
  }

  forget(threadId: string): void {
    this.#resumed.delete(threadId);
  }

  /** Hands the held requests of a thread to a turn. */
  release(threadId: string, turn: ActiveTurn): void {
    this.#resumed.delete(threadId);
    this.#held.release(threadId, (request) => turn.answer(request));
  }

  reply(id: string | number, method: string, params: unknown): RpcReply | DeferredReply {
    const parsed = parseServerRequest(id, method, params);
    const answer = parsed && this.#answer(parsed.request, parsed.itemId);
    if (parsed && answer !== undefined) return { deferred: answer.then(parsed.replyTo) };
    this.#log.debug({ method }, 'A server request of Codex gets the default reply');
    return defaultReply(method);
  }

  /** Undefined for threads of other connections or of agents that Codex spawns. */
  #answer(
    request: ServerRequest,
    itemId: string | undefined,
  ): Promise<ServerRequestAnswer> | undefined {
    const turn = this.#turns.of(request.threadId);
    if (turn) return turn.answer(request, itemId);
    return this.#resumed.has(request.threadId) ? this.#held.hold(request) : undefined;
  }
}
