import type { CodexNotification } from '../protocol.ts';
import type { ActiveTurn } from './active-turn.ts';

type Thread = { id: string; status: { type: string } };

/** The turns that run on the threads of one connection, ours and those of earlier connections. */
export class ThreadTurns {
  /** Turns that we started or joined and that have not ended, by thread. */
  readonly #ours = new Map<string, ActiveTurn>();
  /** Threads that were busy when we resumed them, with a turn of an earlier connection. */
  readonly #busy = new Set<string>();

  /** Whether any turn of ours runs. */
  get any(): boolean {
    return this.#ours.size > 0;
  }

  /** Our turn on a thread. */
  of(threadId: string): ActiveTurn | undefined {
    return this.#ours.get(threadId);
  }

  /** Whether any turn runs on a thread, as far as is known. */
  isBusy(threadId: string): boolean {
    return this.#ours.has(threadId) || this.#busy.has(threadId);
  }

  /** Whether a thread is busy with a turn of an earlier connection. */
  isForeign({ id, status }: Thread): boolean {
    return status.type === 'active' && !this.#ours.has(id);
  }

  /** Remembers how a thread was when it was resumed. */
  resumed(thread: Thread): void {
    if (this.isForeign(thread)) this.#busy.add(thread.id);
  }

  start(threadId: string, turn: ActiveTurn): void {
    this.#ours.set(threadId, turn);
  }

  /** The same for the turn that a thread may be busy with. */
  join(threadId: string, turn: ActiveTurn): void {
    this.#ours.set(threadId, turn);
    this.#busy.delete(threadId);
  }

  forgetIfOver(threadId: string, turn: ActiveTurn): void {
    if (turn.over && this.#ours.get(threadId) === turn) this.#ours.delete(threadId);
  }

  /** Brings a notification to the turn on its thread. */
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

  /** The connection is over: nobody will hear how they end. */
  abandon(reason: Error | undefined): void {
    for (const turn of this.#ours.values()) turn.abandon(reason);
    this.#ours.clear();
  }
}
