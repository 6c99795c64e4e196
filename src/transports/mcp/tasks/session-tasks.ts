import {
  type Notification,
  type ProgressToken,
  ProtocolError,
  ProtocolErrorCode,
  RELATED_TASK_META_KEY,
  type Result,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { TurnView } from '../../../callers/caller-turns.ts';
import { correlationIdOf } from '../endpoints/web-exchange.ts';
import { progressOf, progressTo } from '../progress.ts';
import { orProtocolError } from '../protocol-error.ts';
import { TaskMethods } from './task-methods.ts';
import {
  type CallParams,
  pollIntervalOf,
  stateOf,
  type TaskProtocol,
  type TaskProtocolOptions,
  type Tasks,
} from './tasks.ts';

/** Tasks per page of `tasks/list`. */
const PAGE_SIZE = 50;
const IMMEDIATE_RESPONSE_META_KEY = 'io.modelcontextprotocol/model-immediate-response';

const taskParams = z.object({ taskId: z.string() });
const listParams = z.object({ cursor: z.string().optional() });

/**
 * Tasks of revision 2025-11-25. A client asks for a task with the call that is to be one, and is
 * told of it by notifications for as long as its session lasts.
 */
export class SessionTasks implements TaskProtocol {
  readonly #server: Server;
  readonly #tasksOf: TaskProtocolOptions['tasks'];
  readonly #log: Logger;

  constructor({ server, tasks, log }: TaskProtocolOptions) {
    this.#server = server;
    this.#tasksOf = tasks;
    this.#log = log;
  }

  serve(): void {
    const server = this.#server;
    server.registerCapabilities({
      tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
    });
    const methods = new TaskMethods(server, this.#log);
    methods.add('tasks/get', taskParams, ({ taskId }, context) => {
      const tasks = this.#tasksOf(context);
      return describe(tasks, tasks.turns.get(taskId));
    });
    methods.add('tasks/list', listParams, ({ cursor }, context) =>
      list(this.#tasksOf(context), cursor),
    );
    methods.add('tasks/result', taskParams, ({ taskId }, context) => this.#result(taskId, context));
    methods.add('tasks/cancel', taskParams, ({ taskId }, context) =>
      cancel(this.#tasksOf(context), taskId),
    );
  }

  async begin(params: CallParams, context: ServerContext): Promise<Result | undefined> {
    if (params.task === undefined) return undefined;
    return orProtocolError(context, this.#log, () => this.#begin(params, context));
  }

  async #begin(params: CallParams, context: ServerContext): Promise<Result> {
    const tasks = this.#tasksOf(context);
    if (!tasks.supports(params.name)) {
      throw new ProtocolError(
        ProtocolErrorCode.MethodNotFound,
        `Calls of ${params.name} cannot be tasks.`,
      );
    }
    const turn = await tasks.submit(params, correlationIdOf(context));
    const meanwhile = `Agent ${turn.agentName} is at work. wait_turn and get_turn tell what becomes of turn ${turn.turnId}.`;
    void this.#follow(tasks, turn, context.mcpReq._meta?.progressToken);
    return {
      task: describe(tasks, turn),
      _meta: { ...relatedTo(turn), [IMMEDIATE_RESPONSE_META_KEY]: meanwhile },
    };
  }

  /** Waits for the end of a task. The task goes on if its client stops waiting. */
  async #result(taskId: string, context: ServerContext): Promise<Result> {
    const progress = progressOf(context, this.#log);
    const { signal } = context.mcpReq;
    const tasks = this.#tasksOf(context);
    const turn = await tasks.wait(taskId, { signal, progress: progress.send });
    progress.end();
    const result = tasks.result(turn, correlationIdOf(context));
    return { ...result, _meta: relatedTo(turn) };
  }

  /** Notifies the client of the states of a task until the session closes. */
  async #follow(tasks: Tasks, turn: TurnView, token: ProgressToken | undefined): Promise<void> {
    const gone = new AbortController();
    const tell = (notification: Notification) =>
      this.#server.notification(notification).catch(() => gone.abort());
    const progress = progressTo(token, tell, relatedTo(turn));
    const waiter = { signal: gone.signal, progress: progress.send };
    try {
      const ended = await tasks.turns.wait(turn.turnId, waiter);
      if (gone.signal.aborted) return;
      await tell({ method: 'notifications/tasks/status', params: describe(tasks, ended) });
    } catch (error) {
      this.#log.debug({ err: error, turnId: turn.turnId }, 'A task is not followed any more');
    }
  }
}

function relatedTo({ turnId }: TurnView): Record<string, unknown> {
  return { [RELATED_TASK_META_KEY]: { taskId: turnId } };
}

function describe(tasks: Tasks, turn: TurnView) {
  const pollInterval = pollIntervalOf(turn);
  return {
    ...tasks.describe(turn),
    status: stateOf(turn),
    ttl: tasks.lifetimeMs,
    ...(pollInterval && { pollInterval }),
  };
}

/** A cursor is the id of the last task before it. */
function list(tasks: Tasks, cursor: string | undefined): Result {
  const { turns } = tasks;
  if (cursor !== undefined) turns.get(cursor);
  const before = cursor === undefined ? {} : { before: cursor };
  const page = turns.list({ ...before, limit: PAGE_SIZE + 1 });
  const shown = page.slice(0, PAGE_SIZE);
  const nextCursor = page.length > PAGE_SIZE ? shown.at(-1)?.turnId : undefined;
  return {
    tasks: shown.map((turn) => describe(tasks, turn)),
    ...(nextCursor && { nextCursor }),
  };
}

async function cancel(tasks: Tasks, taskId: string): Promise<Result> {
  const { turns } = tasks;
  const { endedAt } = turns.get(taskId);
  const turn = await turns.cancel(taskId);
  const state = stateOf(turn);
  if (!endedAt && state === 'cancelled') return describe(tasks, turn);
  throw new ProtocolError(
    ProtocolErrorCode.InvalidParams,
    `The task "${taskId}" cannot be cancelled any more: it is ${state}.`,
  );
}
