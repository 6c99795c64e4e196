import type { Duplex } from 'node:stream';
import pTimeout from 'p-timeout';
import type { Logger } from 'pino';
import { AppError } from '../errors.ts';
import type {
  CodexClient,
  CommandEnd,
  CommandOptions,
  OpenedThread,
  RunningTurn,
  Skill,
  ThreadOptions,
  TurnOptions,
} from './codex-client.ts';
import type { CodexEvent } from './codex-event.ts';
import { readVersion } from './codex-version.ts';
import { Heartbeat } from './connection/heartbeat.ts';
import { JsonRpcConnection } from './connection/json-rpc.ts';
import { openWebSocket } from './connection/websocket-stream.ts';
import {
  emptyReply,
  initializeReply,
  loadedThreadsReply,
  openedThreadReply,
  parseNotification,
  type RecordedTurn,
  skillsReply,
  threadReply,
  turnIdReply,
  turnReply,
  turnsListReply,
} from './protocol.ts';
import {
  initializeParams,
  injectItemsParams,
  skillsListParams,
  threadResumeParams,
  threadStartParams,
  turnStartParams,
  turnSteerParams,
  turnsListParams,
} from './requests.ts';
import { AskDesk } from './requests-of-codex/ask-desk.ts';
import type { Answerer } from './requests-of-codex/codex-ask.ts';
import { runSandboxed } from './sandboxed-command.ts';
import { isNoActiveTurn, isRefusal, notRunning } from './turn-refusal.ts';
import { ActiveTurn } from './turns/active-turn.ts';
import { ThreadTurns } from './turns/thread-turns.ts';

export type AppServerOptions = {
  /** Leads to the app-server's socket, as `codex app-server proxy` gives it. */
  stream: Duplex;
  log: Logger;
  requestTimeoutMs: number;
  /** How long the app-server may give no sign of life while anything is expected of it. */
  silenceMs: number;
  /** Our own version, which Codex puts into its log. */
  clientVersion: string;
};

/**
 * Throws `codex_incompatible` if the app-server is of another version, `codex_failed` if it is mute; the
 * cause is `CodexSilent` where it gave no sign of life.
 */
export async function connectAppServer(options: AppServerOptions): Promise<CodexClient> {
  const client = new AppServerClient(options);
  try {
    await client.initialize(options.clientVersion);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

class AppServerClient implements CodexClient {
  readonly closed: Promise<Error | undefined>;
  readonly #rpc: JsonRpcConnection;
  readonly #log: Logger;
  readonly #requestTimeoutMs: number;
  readonly #turns = new ThreadTurns();
  readonly #asks: AskDesk;
  #version = '';

  constructor({ stream, log, requestTimeoutMs, silenceMs }: AppServerOptions) {
    this.#log = log;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#asks = new AskDesk(this.#turns, log);
    const heartbeat = new Heartbeat({
      silenceMs,
      isAwaited: () => this.#rpc.awaits || this.#turns.any,
      ping: () => ping(),
      onSilent: (reason) => this.#rpc.fail(reason),
    });
    const { messages, ping } = openWebSocket(stream, heartbeat.heard);
    this.#rpc = new JsonRpcConnection({
      messages,
      log,
      requestTimeoutMs,
      onNotification: (method, params) => this.#onNotification(method, params),
      onRequest: (id, method, params) => this.#asks.reply(id, method, params),
    });
    this.closed = this.#rpc.closed.then((reason) => {
      heartbeat.stop();
      this.#turns.abandon(reason);
      return reason;
    });
  }

  get version(): string {
    return this.#version;
  }

  async initialize(clientVersion: string): Promise<void> {
    const params = initializeParams(clientVersion);
    const { userAgent } = await this.#rpc.request('initialize', params, initializeReply);
    this.#version = readVersion(userAgent);
    this.#rpc.notify('initialized');
  }

  async startThread(options: ThreadOptions): Promise<OpenedThread & { threadId: string }> {
    const params = threadStartParams(options);
    const opened = await this.#rpc.request('thread/start', params, openedThreadReply);
    return { threadId: opened.thread.id, instructionSources: opened.instructionSources };
  }

  async resumeThread(threadId: string, options: ThreadOptions): Promise<OpenedThread> {
    const params = threadResumeParams(threadId, options);
    // Codex may ask again before it says that the thread is there.
    this.#asks.expect(threadId);
    const opened = await this.#rpc.request('thread/resume', params, openedThreadReply);
    this.#turns.resumed(opened.thread);
    return { instructionSources: opened.instructionSources };
  }

  async instruct(threadId: string, text: string): Promise<void> {
    const params = injectItemsParams(threadId, text);
    await this.#rpc.request('thread/inject_items', params, emptyReply);
  }

  async addSkills(directory: string): Promise<void> {
    const params = { extraRoots: [directory] };
    await this.#rpc.request('skills/extraRoots/set', params, emptyReply);
  }

  async listSkills(cwd: string): Promise<Skill[]> {
    const { data } = await this.#rpc.request('skills/list', skillsListParams(cwd), skillsReply);
    return data.flatMap(({ skills }) => skills).filter(({ enabled }) => enabled);
  }

  async forkThread(
    threadId: string,
    options: ThreadOptions,
  ): Promise<OpenedThread & { threadId: string }> {
    const params = threadResumeParams(threadId, options);
    const opened = await this.#rpc.request('thread/fork', params, openedThreadReply);
    return { threadId: opened.thread.id, instructionSources: opened.instructionSources };
  }

  async leaveThread(threadId: string): Promise<void> {
    this.#asks.forget(threadId);
    await this.#rpc.request('thread/unsubscribe', { threadId }, emptyReply);
  }

  async hasRunningTurn(): Promise<boolean> {
    const { data } = await this.#rpc.request('thread/loaded/list', {}, loadedThreadsReply);
    const threads = await Promise.all(
      data.map((threadId) => this.#rpc.request('thread/read', { threadId }, threadReply)),
    );
    return threads.some(({ thread }) => this.#turns.isForeign(thread));
  }

  async startTurn(
    options: TurnOptions,
    onEvent: (event: CodexEvent) => void,
    onAsk?: Answerer,
  ): Promise<RunningTurn> {
    const { threadId } = options;
    if (this.#turns.isBusy(threadId)) {
      throw new AppError('internal', `A turn is running on thread ${threadId} already.`);
    }
    const turn = new ActiveTurn(threadId, { onEvent, onAsk });
    this.#turns.start(threadId, turn);
    this.#asks.attend(threadId, turn);
    try {
      const reply = await this.#rpc.request('turn/start', turnStartParams(options), turnReply);
      return turn.begin(reply.turn.id);
    } catch (error) {
      turn.abandon(undefined);
      // Another turn/start would steer the turn that may be running now, so nothing may follow.
      if (!isRefusal(error)) this.#rpc.fail(new Error('turn/start had no clear answer.'));
      throw error;
    } finally {
      this.#turns.forgetIfOver(threadId, turn);
    }
  }

  async joinTurn(
    threadId: string,
    clientMessageId: string,
    onEvent: (event: CodexEvent) => void,
    onAsk?: Answerer,
  ): Promise<RunningTurn | undefined> {
    const turn = new ActiveTurn(threadId, { onEvent, onAsk });
    // It listens before it asks, or an end in between would be missed.
    this.#turns.join(threadId, turn);
    this.#asks.attend(threadId, turn);
    try {
      const params = turnsListParams(threadId);
      const { data } = await this.#rpc.request('thread/turns/list', params, turnsListReply);
      const recorded = data.find(({ items }) =>
        items.some((item) => isMessage(item, clientMessageId)),
      );
      if (recorded) return turn.join(recorded);
      turn.abandon(undefined);
      return undefined;
    } catch (error) {
      turn.abandon(undefined);
      throw error;
    } finally {
      this.#turns.forgetIfOver(threadId, turn);
    }
  }

  async steerTurn(threadId: string, turnId: string, message: string): Promise<void> {
    const turn = this.#turns.of(threadId);
    if (!turn?.has(turnId)) throw notRunning();
    await this.#orTimeout(turn.begun);
    try {
      await this.#rpc.request(
        'turn/steer',
        turnSteerParams(threadId, turnId, message),
        turnIdReply,
      );
    } catch (error) {
      throw isNoActiveTurn(error) ? notRunning(error) : error;
    }
  }

  async interruptTurn(threadId: string, turnId: string): Promise<void> {
    const turn = this.#turns.of(threadId);
    // Before that, Codex would say that there is no active turn, and then run it.
    if (turn?.has(turnId)) await this.#orTimeout(turn.begun);
    try {
      await this.#rpc.request('turn/interrupt', { threadId, turnId }, emptyReply);
    } catch (error) {
      if (!isNoActiveTurn(error)) throw error;
    }
  }

  async cleanBackgroundTerminals(threadId: string): Promise<void> {
    await this.#rpc.request('thread/backgroundTerminals/clean', { threadId }, emptyReply);
  }

  runCommand(options: CommandOptions, signal: AbortSignal): Promise<CommandEnd> {
    return runSandboxed(this.#rpc, options, signal);
  }

  async close(): Promise<void> {
    await this.#rpc.close();
    await this.closed;
  }

  #onNotification(method: string, params: unknown): void {
    const notification = parseNotification(method, params);
    const threadId = notification?.params.threadId;
    if (!notification || !threadId) {
      this.#log.debug({ method, params }, 'codex sent a notification of no turn');
      return;
    }
    this.#turns.receive(threadId, notification);
  }

  async #orTimeout(wait: Promise<void>): Promise<void> {
    await pTimeout(wait, { milliseconds: this.#requestTimeoutMs, message: false });
  }
}

function isMessage(item: RecordedTurn['items'][number], clientMessageId: string): boolean {
  return item?.type === 'userMessage' && item.clientId === clientMessageId;
}
