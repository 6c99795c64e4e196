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
import { runSandboxed } from './sandboxed-command.ts';
import type { ServerRequestHandler } from './server-requests/server-request.ts';
import { ServerRequestRouter } from './server-requests/server-request-router.ts';
import { isNoActiveTurn, isRefusal, notRunning } from './turn-refusal.ts';
import { ActiveTurn } from './turns/active-turn.ts';
import { ThreadTurns } from './turns/thread-turns.ts';

export type AppServerOptions = {
  /** Connected to the socket of the app-server, as by `codex app-server proxy`. */
  stream: Duplex;
  log: Logger;
  requestTimeoutMs: number;
  /** Limit without a byte from the app-server while a request or a turn is open. */
  silenceMs: number;
  /** Version of this server; Codex logs it. */
  clientVersion: string;
};

/**
 * Throws `codex_incompatible` for a version that is not supported, and `codex_failed` if the app-server
 * does not answer, with `CodexSilent` as the cause after {@link AppServerOptions.silenceMs}.
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
  readonly #serverRequests: ServerRequestRouter;
  #version = '';

  constructor({ stream, log, requestTimeoutMs, silenceMs }: AppServerOptions) {
    this.#log = log;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#serverRequests = new ServerRequestRouter(this.#turns, log);
    const heartbeat = new Heartbeat({
      silenceMs,
      isNeeded: () => this.#rpc.hasPending || this.#turns.any,
      ping: () => ping(),
      onSilent: (reason) => this.#rpc.fail(reason),
    });
    const { messages, ping } = openWebSocket(stream, heartbeat.reset);
    this.#rpc = new JsonRpcConnection({
      messages,
      log,
      requestTimeoutMs,
      onNotification: (method, params) => this.#onNotification(method, params),
      onRequest: (id, method, params) => this.#serverRequests.reply(id, method, params),
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
    // Codex repeats open requests before it replies.
    this.#serverRequests.hold(threadId);
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
    this.#serverRequests.forget(threadId);
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
    onServerRequest?: ServerRequestHandler,
  ): Promise<RunningTurn> {
    const { threadId } = options;
    if (this.#turns.isBusy(threadId)) {
      throw new AppError('internal', `A turn is already running on thread ${threadId}.`);
    }
    const turn = new ActiveTurn(threadId, { onEvent, onServerRequest });
    this.#turns.start(threadId, turn);
    this.#serverRequests.release(threadId, turn);
    try {
      const reply = await this.#rpc.request('turn/start', turnStartParams(options), turnReply);
      return turn.begin(reply.turn.id);
    } catch (error) {
      turn.abandon(undefined);
      // The turn may run: another turn/start would steer it, so the connection must end.
      if (!isRefusal(error)) this.#rpc.fail(new Error('The outcome of turn/start is unknown.'));
      throw error;
    } finally {
      this.#turns.forgetIfOver(threadId, turn);
    }
  }

  async joinTurn(
    threadId: string,
    clientMessageId: string,
    onEvent: (event: CodexEvent) => void,
    onServerRequest?: ServerRequestHandler,
  ): Promise<RunningTurn | undefined> {
    const turn = new ActiveTurn(threadId, { onEvent, onServerRequest });
    // Registered before the request, so that the end of the turn cannot be missed.
    this.#turns.join(threadId, turn);
    this.#serverRequests.release(threadId, turn);
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
    // Before `begun`, Codex refuses the interrupt with "no active turn" and then runs the turn.
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
      this.#log.debug({ method, params }, 'Codex sent a notification without a thread');
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
