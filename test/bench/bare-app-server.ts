import { z } from 'zod';
import type { Work } from './model-probe.ts';

/** What leads to an app-server: one JSON text each way. */
export type Messages = { incoming: AsyncIterable<unknown>; send(text: string): void };

const messageSchema = z.looseObject({
  id: z.number().optional(),
  method: z.string().optional(),
  result: z.unknown().optional(),
  error: z.unknown().optional(),
  params: z.unknown().optional(),
});
const threadSchema = z.looseObject({ thread: z.looseObject({ id: z.string() }) });
const completedSchema = z.looseObject({
  turn: z.looseObject({ status: z.string(), error: z.unknown().optional() }),
});

/** The least that can drive a Codex: no checks, no journal, no snapshot, one thread. */
export class BareAppServer {
  readonly #messages: Messages;
  readonly #replies = new Map<number, PromiseWithResolvers<unknown>>();
  #begun: PromiseWithResolvers<unknown> | undefined;
  #turn: PromiseWithResolvers<unknown> | undefined;
  #threadId = '';
  #lastId = 0;

  private constructor(messages: Messages) {
    this.#messages = messages;
    void this.#read();
  }

  /** Resolves when it has answered `initialize`. */
  static async connect(messages: Messages): Promise<BareAppServer> {
    const server = new BareAppServer(messages);
    await server.#ask('initialize', {
      clientInfo: { name: 'bench', title: 'bench', version: '1.0.0' },
      capabilities: { experimentalApi: true },
    });
    messages.send(JSON.stringify({ method: 'initialized' }));
    return server;
  }

  async startThread(cwd: string, { model }: Work): Promise<void> {
    const settings = { cwd, model, sandbox: 'read-only', approvalPolicy: 'never' };
    this.#threadId = threadSchema.parse(await this.#ask('thread/start', settings)).thread.id;
  }

  /** Loads the thread again, as somebody does who has just connected. */
  async resumeThread(threadId: string): Promise<void> {
    await this.#ask('thread/resume', { threadId, excludeTurns: true });
    this.#threadId = threadId;
  }

  get threadId(): string {
    return this.#threadId;
  }

  /** Asks for what costs Codex next to nothing. */
  async ping(): Promise<void> {
    await this.#ask('thread/loaded/list', {});
  }

  /** Runs a turn until Codex says that it is completed. */
  async turn(work: Work): Promise<void> {
    const turn = await this.beginTurn(work);
    await turn.completed;
  }

  /** Resolves at the first event of the turn. */
  async beginTurn(work: Work): Promise<{ completed: Promise<void> }> {
    this.#begun = Promise.withResolvers();
    this.#turn = Promise.withResolvers();
    const completed = this.#completed(this.#turn.promise, this.#startTurn(work));
    await Promise.race([this.#begun.promise, completed]);
    return { completed };
  }

  async #completed(ended: Promise<unknown>, started: Promise<unknown>): Promise<void> {
    const [completed] = await Promise.all([ended, started]);
    const { turn } = completedSchema.parse(completed);
    if (turn.status !== 'completed') throw new Error(`bare turn: ${JSON.stringify(turn.error)}`);
  }

  #startTurn(work: Work): Promise<unknown> {
    return this.#ask('turn/start', {
      threadId: this.#threadId,
      input: [{ type: 'text', text: work.prompt, text_elements: [] }],
      outputSchema: work.outputSchema,
      effort: work.effort,
      approvalPolicy: 'never',
      sandboxPolicy: { type: 'externalSandbox', networkAccess: 'enabled' },
    });
  }

  #ask(method: string, params: unknown): Promise<unknown> {
    const id = ++this.#lastId;
    const reply = Promise.withResolvers<unknown>();
    this.#replies.set(id, reply);
    this.#messages.send(JSON.stringify({ id, method, params }));
    return reply.promise;
  }

  async #read(): Promise<void> {
    let reason: unknown;
    try {
      for await (const text of this.#messages.incoming) this.#take(String(text));
    } catch (error) {
      reason = error;
    }
    const ended = new Error('The app-server ended.', { cause: reason });
    for (const waiting of [...this.#replies.values(), this.#begun, this.#turn]) {
      waiting?.promise.catch(() => undefined);
      waiting?.reject(ended);
    }
  }

  #take(text: string): void {
    const { id, method, result, error, params } = messageSchema.parse(JSON.parse(text));
    if (method === 'turn/started') this.#begun?.resolve(params);
    if (method === 'turn/completed') this.#turn?.resolve(params);
    if (id === undefined || method !== undefined) return;
    if (error === undefined) this.#replies.get(id)?.resolve(result);
    else this.#replies.get(id)?.reject(new Error(`Codex refused: ${JSON.stringify(error)}`));
    this.#replies.delete(id);
  }
}
