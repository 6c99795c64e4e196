import { type Logger, pino } from 'pino';
import type { Config } from '../config/config.ts';

/** Longer than an interrupted turn needs to settle, shorter than what `docker stop` waits. */
export const SHUTDOWN_LIMIT_MS = 9_000;

/** Standard output belongs to MCP. */
export function logToStderr(config: Config): Logger {
  return pino({ level: config.LOG_LEVEL }, pino.destination({ dest: 2, sync: true }));
}
