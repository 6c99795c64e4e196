import type { Server } from 'node:http';
import type { Logger } from 'pino';

/** At most one line of the log per interval, so a flood of connections does not flood the log. */
const WARN_EVERY_MS = 60_000;

/** Closes connections beyond the limit at once. Open connections stay. */
export function limitConnections(server: Server, limit: number, log: Logger): void {
  let warnedAt = Number.NEGATIVE_INFINITY;
  server.maxConnections = limit;
  server.on('drop', () => {
    if (performance.now() - warnedAt < WARN_EVERY_MS) return;
    warnedAt = performance.now();
    log.warn({ limit }, 'Connections are closed: there are as many as MAX_CONNECTIONS allows');
  });
}
