import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { AppError } from '../errors.ts';
import type { TurnEvent } from '../turns/events/turn-event.ts';
import { ActiveTurn } from './active-turn.ts';
import { AskDesk } from './ask-desk.ts';
import type { Answerer } from './codex-ask.ts';
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
import { JsonRpcConnection, RpcRefusal } from './json-rpc.ts';
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
import { openWebSocket } from './websocket-stream.ts';

/** The versions whose protocol this client was tried with. */
const SUPPORTED_CODEX = '0.169.';

export type AppServerOptions = {
  /** Leads to the app-server's socket, as `codex app-server proxy` gives it. */
  stream: Duplex;
  log: Logger;
  requestTimeoutMs: number;
  /** Our own version, which Codex puts into its log. */
  clientVersion: string;
};

/** Throws `codex_incompatible` if the app-server is of another version, `codex_failed` if it is mute. */
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
  /** Turns that we started and that have not ended, by thread. */
  readonly #turns = new Map<string, ActiveTurn>();
  /** Threads that were busy when we resumed them, with a turn of an earlier connection. */
  readonly #busy = new Set<string>();
  readonly #asks: AskDesk;
  #version = '';

  constructor({ stream, log, requestTimeoutMs }: AppServerOptions) {
    this.#log = log;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#asks = new AskDesk(this.#turns, log);
    this.#rpc = new JsonRpcConnection({
      messages: openWebSocket(stream),
      log,
      requestTimeoutMs,
      onNotification: (method, params) => this.#onNotification(method, params),
      onRequest: (id, method, params) => this.#asks.reply(id, method, params),
    });
    this.closed = this.#rpc.closed.then((reason) => {
      for (const turn of this.#turns.values()) turn.abandon(reason);
      this.#turns.clear();
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
    const { thread, instructionSources } = opened;
    if (this.#isForeign(thread)) this.#busy.add(thread.id);
    return { instructionSources };
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
    return threads.some(({ thread }) => this.#isForeign(thread));
  }

  async startTurn(
    options: TurnOptions,
    onEvent: (event: TurnEvent) => void,
    onAsk?: Answerer,
  ): Promise<RunningTurn> {
    const { threadId } = options;
    if (this.#turns.has(threadId) || this.#busy.has(threadId)) {
      throw new AppError('internal', `A turn is running on thread ${threadId} already.`);
    }
    const turn = new ActiveTurn(threadId, { onEvent, onAsk });
    this.#attend(threadId, turn);
    try {
      const reply = await this.#rpc.request('turn/start', turnStartParams(options), turnReply);
      return turn.begin(reply.turn.id);
    } catch (error) {
      turn.abandon(undefined);
      // Another turn/start would steer the turn that may be running now, so nothing may follow.
      if (!isRefusal(error)) this.#rpc.fail(new Error('turn/start had no clear answer.'));
      throw error;
    } finally {
      this.#forgetIfOver(threadId, turn);
    }
  }

  async joinTurn(
    threadId: string,
    clientMessageId: string,
    onEvent: (event: TurnEvent) => void,
    onAsk?: Answerer,
  ): Promise<RunningTurn | undefined> {
    const turn = new ActiveTurn(threadId, { onEvent, onAsk });
    // It listens before it asks, or an end in between would be missed.
    this.#attend(threadId, turn);
    this.#busy.delete(threadId);
    try {
      const params = turnsListParams(threadId);
      const { data } = await this.#rpc.request('thread/turns/list', params, turnsListReply);
      const recorded = data.find(({ items }) =>
        items.some((item) => isMessage(item, clientMessageId)),
      );
      if (recorded) return turn.join(recorded);
      this.#turns.delete(threadId);
      turn.abandon(undefined);
      return undefined;
    } catch (error) {
      turn.abandon(undefined);
      throw error;
    } finally {
      this.#forgetIfOver(threadId, turn);
    }
  }

  async steerTurn(threadId: string, turnId: string, message: string): Promise<void> {
    const turn = this.#turns.get(threadId);
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
    const turn = this.#turns.get(threadId);
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
    if (notification.method === 'thread/status/changed') {
      if (notification.params.status.type !== 'active') this.#busy.delete(threadId);
      return;
    }
    const turn = this.#turns.get(threadId);
    if (!turn) return;
    turn.receive(notification);
    this.#forgetIfOver(threadId, turn);
  }

  /** Whether a thread is busy with a turn of an earlier connection. */
  #isForeign({ id, status }: { id: string; status: { type: string } }): boolean {
    return status.type === 'active' && !this.#turns.has(id);
  }

  async #orTimeout(wait: Promise<void>): Promise<void> {
    await Promise.race([wait, sleep(this.#requestTimeoutMs, undefined, { ref: false })]);
  }

  #attend(threadId: string, turn: ActiveTurn): void {
    this.#turns.set(threadId, turn);
    this.#asks.attend(threadId, turn);
  }

  #forgetIfOver(threadId: string, turn: ActiveTurn): void {
    if (turn.over && this.#turns.get(threadId) === turn) this.#turns.delete(threadId);
  }
}

/** From a user agent such as `codex-mcp-server/0.169.0 (Debian 12.0.0; x86_64) …`. */
function readVersion(userAgent: string): string {
  const version = /^[^/]+\/(\S+)/.exec(userAgent)?.[1] ?? 'unknown';
  if (version.startsWith(SUPPORTED_CODEX)) return version;
  throw new AppError(
    'codex_incompatible',
    `The container has Codex ${version}; this server works with ${SUPPORTED_CODEX}x.`,
    { data: { found: version, supported: `${SUPPORTED_CODEX}x` } },
  );
}

function isMessage(item: RecordedTurn['items'][number], clientMessageId: string): boolean {
  return item?.type === 'userMessage' && item.clientId === clientMessageId;
}

function isRefusal(error: unknown): error is AppError & { cause: RpcRefusal } {
  return error instanceof AppError && error.cause instanceof RpcRefusal;
}

/** Codex has no code for it: all its refusals are -32600 with prose. */
function isNoActiveTurn(error: unknown): boolean {
  return isRefusal(error) && /no active turn|expected active turn/.test(error.cause.message);
}

function notRunning(cause?: unknown): AppError {
  return new AppError('turn_not_running', 'The turn does not run, or no longer.', { cause });
}
