import type { Logger } from 'pino';
import type { LateReply, RpcReply } from '../connection/json-rpc.ts';
import type { ActiveTurn } from '../turns/active-turn.ts';
import type { ThreadTurns } from '../turns/thread-turns.ts';
import { readAsk } from './asks.ts';
import type { AskAnswer, CodexAsk } from './codex-ask.ts';
import { HeldAsks } from './held-asks.ts';
import { answerServerRequest } from './server-requests.ts';

/** Brings what Codex asks to the turn that it asks in, and answers the rest at once. */
export class AskDesk {
  readonly #turns: Pick<ThreadTurns, 'of'>;
  readonly #log: Logger;
  readonly #held = new HeldAsks();
  /** Threads that were resumed and have had no turn of ours since: of a turn to be joined, perhaps. */
  readonly #resumed = new Set<string>();

  constructor(turns: Pick<ThreadTurns, 'of'>, log: Logger) {
    this.#turns = turns;
    this.#log = log;
  }

  /** Keeps what is asked in a thread until a turn of it is attended to. */
  expect(threadId: string): void {
    if (!this.#turns.of(threadId)) this.#resumed.add(threadId);
  }

  forget(threadId: string): void {
    this.#resumed.delete(threadId);
  }

  /** Has a turn answer what its thread asked by now. */
  attend(threadId: string, turn: ActiveTurn): void {
    this.#resumed.delete(threadId);
    this.#held.release(threadId, (ask) => turn.answer(ask));
  }

  reply(id: string | number, method: string, params: unknown): RpcReply | LateReply {
    const request = readAsk(id, method, params);
    const answer = request && this.#answer(request.ask, request.itemId);
    if (request && answer !== undefined) return { later: answer.then(request.replyTo) };
    this.#log.debug({ method }, 'codex asked for something that nobody is asked about');
    return answerServerRequest(method);
  }

  /** Undefined for threads that are not ours, such as those of agents that Codex spawns. */
  #answer(ask: CodexAsk, itemId: string | undefined): Promise<AskAnswer> | undefined {
    const turn = this.#turns.of(ask.threadId);
    if (turn) return turn.answer(ask, itemId);
    return this.#resumed.has(ask.threadId) ? this.#held.hold(ask) : undefined;
  }
}
