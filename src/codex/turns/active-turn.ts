import { AppError } from '../../errors.ts';
import type { RunningTurn, TurnCompletion } from '../codex-client.ts';
import type { CodexEvent } from '../codex-event.ts';
import type { CodexNotification, RecordedTurn } from '../protocol.ts';
import type { Answerer, AskAnswer, CodexAsk } from '../requests-of-codex/codex-ask.ts';
import { PatchDrafts } from '../requests-of-codex/patch-drafts.ts';
import { ReasoningSummaries } from './reasoning-summaries.ts';
import { toTurnEvent } from './turn-events.ts';
import { toTurnFailure } from './turn-failure.ts';

/** Notifications that may come between a turn's start and the reply which names it. */
const EARLY_NOTIFICATIONS = 1000;
const EARLY_CHARACTERS = 8 * 1024 * 1024;

type TurnListener = { onEvent: (event: CodexEvent) => void; onAsk: Answerer | undefined };

/** One turn that we started, from its `turn/start` to its `turn/completed`. */
export class ActiveTurn {
  readonly #threadId: string;
  readonly #listener: TurnListener;
  readonly #outcome = Promise.withResolvers<TurnCompletion>();
  readonly #reasoning = new ReasoningSummaries();
  readonly #begun = Promise.withResolvers<void>();
  readonly #named = Promise.withResolvers<void>();
  readonly #drafts = new PatchDrafts();
  #turnId: string | undefined;
  #early: CodexNotification[] = [];
  #earlyCharacters = 0;
  #lastMessage = '';
  #finalAnswer: string | undefined;
  #over = false;

  constructor(threadId: string, listener: TurnListener) {
    this.#threadId = threadId;
    this.#listener = listener;
    // The caller may not have got hold of the promise yet when it rejects.
    this.#outcome.promise.catch(() => undefined);
  }

  get over(): boolean {
    return this.#over;
  }

  /** Settles when Codex works on the turn, which is a little after it named it, or when it is over. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  has(turnId: string): boolean {
    return this.#turnId === turnId;
  }

  /** Names the turn, and catches up on what came before its name was known. */
  begin(turnId: string): RunningTurn {
    this.#turnId = turnId;
    this.#named.resolve();
    for (const notification of this.#early.splice(0)) this.#handle(notification);
    return { turnId, completed: this.#outcome.promise };
  }

  /** Takes up a turn whose beginning was missed: what it has said by then, and perhaps its end. */
  join(recorded: RecordedTurn): RunningTurn {
    for (const item of recorded.items) {
      if (item?.type === 'agentMessage') this.#keepText(item);
    }
    if (recorded.status !== 'inProgress') this.#end(recorded);
    return this.begin(recorded.id);
  }

  receive(notification: CodexNotification): void {
    if (this.#turnId === undefined) this.#keepEarly(notification);
    else this.#handle(notification);
  }

  /** Has what Codex asks for answered, once it is known to be asked in this turn. Never rejects. */
  async answer(ask: CodexAsk, itemId?: string): Promise<AskAnswer> {
    await this.#named.promise;
    const { onAsk } = this.#listener;
    if (!onAsk || this.#over || ask.turnId !== this.#turnId) return { approve: false };
    const draft = itemId === undefined ? undefined : this.#drafts.of(itemId);
    return onAsk(draft ? { ...ask, ...draft } : ask);
  }

  abandon(reason: Error | undefined): void {
    this.#over = true;
    this.#named.resolve();
    this.#begun.resolve();
    this.#outcome.reject(
      new AppError('codex_failed', 'The connection to Codex broke during the turn.', {
        cause: reason,
      }),
    );
  }

  #keepEarly(notification: CodexNotification): void {
    this.#earlyCharacters += JSON.stringify(notification).length;
    if (this.#early.length >= EARLY_NOTIFICATIONS || this.#earlyCharacters > EARLY_CHARACTERS) {
      throw new Error('Codex sent too much before it named the turn.');
    }
    this.#early.push(notification);
  }

  #handle(notification: CodexNotification): void {
    if (this.#over || !this.#isOurs(notification)) return;
    this.#keepMessage(notification);
    this.#drafts.take(notification);
    for (const text of this.#reasoning.take(notification))
      this.#listener.onEvent({ type: 'thinking', text });
    const event = toTurnEvent(notification);
    if (event) this.#listener.onEvent(event);
    if (notification.method === 'turn/started') this.#begun.resolve();
    if (notification.method === 'turn/completed') this.#end(notification.params.turn);
  }

  /** Agents that Codex spawns send on the same connection, with ids of their own. */
  #isOurs({ method, params }: CodexNotification): boolean {
    if (params.threadId !== this.#threadId) return false;
    switch (method) {
      case 'turn/started':
      case 'turn/completed':
        return params.turn.id === this.#turnId;
      case 'warning':
        return true;
      case 'thread/status/changed':
        return false;
      default:
        return params.turnId === this.#turnId;
    }
  }

  #keepMessage({ method, params }: CodexNotification): void {
    if (method !== 'item/completed' || params.item?.type !== 'agentMessage') return;
    this.#keepText(params.item);
  }

  #keepText({ text, phase }: { text: string; phase?: string | null | undefined }): void {
    this.#lastMessage = text;
    if (phase === 'final_answer') this.#finalAnswer = text;
  }

  #end({ status, error }: Pick<RecordedTurn, 'status' | 'error'>): void {
    this.#over = true;
    this.#begun.resolve();
    if (status === 'completed') {
      this.#outcome.resolve({ status, finalMessage: this.#finalAnswer ?? this.#lastMessage });
    } else if (status === 'interrupted') {
      this.#outcome.resolve({ status });
    } else {
      this.#outcome.resolve({ status: 'failed', failure: toTurnFailure(error) });
    }
  }
}
