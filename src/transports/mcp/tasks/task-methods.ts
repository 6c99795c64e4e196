import type { Result, Server, ServerContext } from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import type { z } from 'zod';
import { orProtocolError } from '../protocol-error.ts';

type Answer<Params> = (params: Params, context: ServerContext) => Result | Promise<Result>;

/** Registers the methods of tasks on one server. Failures become JSON-RPC errors. */
export class TaskMethods {
  readonly #server: Server;
  readonly #log: Logger;

  constructor(server: Server, log: Logger) {
    this.#server = server;
    this.#log = log;
  }

  add<Params>(method: `tasks/${string}`, params: z.ZodType<Params>, answer: Answer<Params>): void {
    this.#server.setRequestHandler(method, { params }, (given, context) =>
      orProtocolError(context, this.#log, () => answer(given, context)),
    );
  }
}
