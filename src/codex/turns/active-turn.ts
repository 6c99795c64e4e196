import { AppError } from '../../errors.ts';
import type { RunningTurn, TurnCompletion } from '../codex-client.ts';
import type { CodexEvent } from '../codex-event.ts';
import type { CodexNotification, RecordedTurn } from '../protocol.ts';
import { ProposedPatches } from '../server-requests/proposed-patches.ts';
import type {
  ServerRequest,
  ServerRequestAnswer,
  ServerRequestHandler,
} from '../server-requests/server-request.ts';
import { ReasoningSummaries } from './reasoning-summaries.ts';
import { toTurnEvent } from './turn-events.ts';
import { toTurnFailure } from './turn-failure.ts';

/** Notifications buffered until the reply to turn/start contains the turn id. */
const EARLY_NOTIFICATIONS = 1000;
const EARLY_CHARACTERS = 8 * 1024 * 1024;

type TurnListener = {
  onEvent: (event: CodexEvent) => void;
  onServerRequest: ServerRequestHandler | undefined;
};

/** One turn of this connection, from `turn/start` to `turn/completed`. */
export class ActiveTurn {
  readonly #threadId: string;
  readonly #listener: TurnListener;
  readonly #outcome = Promise.withResolvers<TurnCompletion>();
  readonly #reasoning = new ReasoningSummaries();
  readonly #begun = Promise.withResolvers<void>();
  readonly #named = Promise.withResolvers<void>();
  readonly #patches = new ProposedPatches();
  #turnId: string | undefined;
  #early: CodexNotification[] = [];
  #earlyCharacters = 0;
  #lastMessage = '';
  #finalAnswer: string | undefined;
  #over = false;

  constructor(threadId: string, listener: TurnListener) {
    this.#threadId = threadId;
    this.#listener = listener;
    // It may reject before the caller has the promise.
    this.#outcome.promise.catch(() => undefined);
  }

  get over(): boolean {
    return this.#over;
  }

  /** Resolves when Codex has begun the turn, shortly after its reply to turn/start, or when the turn is over. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  has(turnId: string): boolean {
    return this.#turnId === turnId;
  }

  /** Sets the turn id and handles the notifications that arrived before it. */
  begin(turnId: string): RunningTurn {
    this.#turnId = turnId;
    this.#named.resolve();
    for (const notification of this.#early.splice(0)) this.#handle(notification);
    return { turnId, completed: this.#outcome.promise };
  }

  /** Resumes from the recorded messages of a turn, which may have ended. */
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

  /** Waits for the turn id; declines requests of other turns. Never rejects. */
  async answer(request: ServerRequest, itemId?: string): Promise<ServerRequestAnswer> {
    await this.#named.promise;
    const { onServerRequest } = this.#listener;
    if (!onServerRequest || this.#over || request.turnId !== this.#turnId)
      return { approve: false };
    const patch = itemId === undefined ? undefined : this.#patches.of(itemId);
    return onServerRequest(patch ? { ...request, ...patch } : request);
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
      throw new Error('Codex sent too many notifications before the turn id.');
    }
    this.#early.push(notification);
  }

  #handle(notification: CodexNotification): void {
    if (this.#over || !this.#isOurs(notification)) return;
    this.#keepMessage(notification);
    this.#patches.record(notification);
    for (const text of this.#reasoning.partsOf(notification))
      this.#listener.onEvent({ type: 'thinking', text });
    const event = toTurnEvent(notification);
    if (event) this.#listener.onEvent(event);
    if (notification.method === 'turn/started') this.#begun.resolve();
    if (notification.method === 'turn/completed') this.#end(notification.params.turn);
  }

  /** Agents that Codex spawns use the same connection with other ids. */
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
