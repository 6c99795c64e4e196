import { type Result, Server } from '@modelcontextprotocol/server';

type Handler = Parameters<Server['_wrapHandler']>[1];

/**
 * A server whose calls may be answered with a task. The SDK knows tasks by their names only: it
 * holds every answer to `tools/call` against the shape of a tool's result.
 */
export class TaskServer extends Server {
  protected override _wrapHandler(method: string, handler: Handler): Handler {
    if (method !== 'tools/call') return super._wrapHandler(method, handler);
    return async (request, context) => {
      let task: Result | undefined;
      const checked = super._wrapHandler(method, async (...call) => {
        const result = await handler(...call);
        if (!isTask(result)) return result;
        task = result;
        return { content: [] };
      });
      const result = await checked(request, context);
      return task ?? result;
    };
  }
}

/** In the way of 2025-11-25, or of the extension of 2026-07-28. */
function isTask(result: Result): boolean {
  return 'task' in result || result.resultType === 'task';
}
