import {
  CLIENT_CAPABILITIES_META_KEY,
  MissingRequiredClientCapabilityError,
  type Result,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { TurnView } from '../../../callers/caller-turns.ts';
import { correlationIdOf } from '../endpoints/web-exchange.ts';
import { TaskMethods } from './task-methods.ts';
import {
  type CallParams,
  pollIntervalOf,
  stateOf,
  type TaskProtocol,
  type TaskProtocolOptions,
  type Tasks,
} from './tasks.ts';

const EXTENSION = 'io.modelcontextprotocol/tasks';
const extensions = { [EXTENSION]: {} };

const knowingClient = z.object({
  [CLIENT_CAPABILITIES_META_KEY]: z.object({
    extensions: z.object({ [EXTENSION]: z.looseObject({}) }),
  }),
});
const taskParams = z.object({ taskId: z.string() });

/**
 * The tasks extension of revision 2026-07-28. A client says with each request that it knows tasks;
 * the server makes one of every call that can be one, and the client asks how it goes.
 */
export class TasksExtension implements TaskProtocol {
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
    server.registerCapabilities({ extensions });
    const methods = new TaskMethods(server, this.#log);
    methods.add('tasks/get', taskParams, ({ taskId }, context) => {
      assertKnowsTasks(context);
      const tasks = this.#tasksOf(context);
      return detailed(tasks, tasks.turns.get(taskId), context);
    });
    methods.add('tasks/cancel', taskParams, async ({ taskId }, context) => {
      assertKnowsTasks(context);
      await this.#tasksOf(context).turns.cancel(taskId);
      return {};
    });
    // Delivers input that a task asked for; our tasks ask for none.
    methods.add('tasks/update', taskParams, ({ taskId }, context) => {
      assertKnowsTasks(context);
      this.#tasksOf(context).turns.get(taskId);
      return {};
    });
  }

  async begin(params: CallParams, context: ServerContext): Promise<Result | undefined> {
    const tasks = this.#tasksOf(context);
    if (!knowsTasks(context) || !tasks.supports(params.name)) return undefined;
    // With `wait: false` the result of the call is the id of the turn.
    if (params.arguments?.wait === false) return undefined;
    const turn = await tasks.submit(params, correlationIdOf(context));
    return { resultType: 'task', ...describe(tasks, turn) };
  }
}

function describe(tasks: Tasks, turn: TurnView) {
  const pollIntervalMs = pollIntervalOf(turn);
  return {
    ...tasks.describe(turn),
    status: statusOf(turn),
    ttlMs: tasks.lifetimeMs,
    ...(pollIntervalMs && { pollIntervalMs }),
  };
}

function detailed(tasks: Tasks, turn: TurnView, context: ServerContext): Result {
  const task = describe(tasks, turn);
  if (task.status !== 'completed') return task;
  const result = tasks.result(turn, correlationIdOf(context));
  return { ...task, result: { resultType: 'complete', ...result } };
}

/** In this extension a task fails only without a result; a tool error is a completed task. */
function statusOf(turn: TurnView): 'working' | 'completed' | 'cancelled' {
  const state = stateOf(turn);
  return state === 'failed' ? 'completed' : state;
}

function knowsTasks({ mcpReq }: ServerContext): boolean {
  return knowingClient.safeParse(mcpReq.envelope).success;
}

function assertKnowsTasks(context: ServerContext): void {
  if (knowsTasks(context)) return;
  throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions } });
}
