import type { Notification, ProgressToken, ServerContext } from '@modelcontextprotocol/server';
import type { Logger } from 'pino';

/** Sends numbered progress notifications until it is ended. */
export type Progress = { send(message: string): void; end(): void };

/** Progress of a request, which ends with its response: clients reject later notifications. */
export function progressOf({ mcpReq }: Pick<ServerContext, 'mcpReq'>, log: Logger): Progress {
  const { _meta, notify, signal } = mcpReq;
  return progressTo(_meta?.progressToken, (notification) => {
    if (signal.aborted) return;
    notify(notification).catch((error: unknown) =>
      log.debug({ err: error }, 'progress could not be sent'),
    );
  });
}

/** Progress for a client's token; without a token nothing is sent. */
export function progressTo(
  progressToken: ProgressToken | undefined,
  notify: (notification: Notification) => void,
  _meta?: Record<string, unknown>,
): Progress {
  let count = 0;
  let ended = progressToken === undefined;
  return {
    send(message) {
      if (ended) return;
      count += 1;
      const params = { progressToken, progress: count, message, ...(_meta && { _meta }) };
      notify({ method: 'notifications/progress', params });
    },
    end() {
      ended = true;
    },
  };
}
