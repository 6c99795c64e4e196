import type { CodexNotification } from '../protocol.ts';
import type { ActiveTurn } from './active-turn.ts';

type Thread = { id: string; status: { type: string } };

/** The running turns of all threads, of this connection and of earlier ones. */
export class ThreadTurns {
  /** Running turns of this connection, by thread. */
  readonly #ours = new Map<string, ActiveTurn>();
  /** Threads that ran a turn of an earlier connection when this one resumed them. */
  readonly #busy = new Set<string>();

  get any(): boolean {
    return this.#ours.size > 0;
  }

  of(threadId: string): ActiveTurn | undefined {
    return this.#ours.get(threadId);
  }

  isBusy(threadId: string): boolean {
    return this.#ours.has(threadId) || this.#busy.has(threadId);
  }

  /** Whether a thread runs a turn of an earlier connection. */
  isForeign({ id, status }: Thread): boolean {
    return status.type === 'active' && !this.#ours.has(id);
  }

  resumed(thread: Thread): void {
    if (this.isForeign(thread)) this.#busy.add(thread.id);
  }

  start(threadId: string, turn: ActiveTurn): void {
    this.#ours.set(threadId, turn);
  }

  /** Registers a turn of an earlier connection. */
  join(threadId: string, turn: ActiveTurn): void {
    this.#ours.set(threadId, turn);
    this.#busy.delete(threadId);
  }

  forgetIfOver(threadId: string, turn: ActiveTurn): void {
    if (turn.over && this.#ours.get(threadId) === turn) this.#ours.delete(threadId);
  }

  receive(threadId: string, notification: CodexNotification): void {
    if (notification.method === 'thread/status/changed') {
      if (notification.params.status.type !== 'active') this.#busy.delete(threadId);
      return;
    }
    const turn = this.#ours.get(threadId);
    if (!turn) return;
    turn.receive(notification);
    this.forgetIfOver(threadId, turn);
  }

  abandon(reason: Error | undefined): void {
    for (const turn of this.#ours.values()) turn.abandon(reason);
    this.#ours.clear();
  }
}
