import { type Logger, pino } from 'pino';
import { redactedLine } from '../audit/redaction/log-line.ts';
import type { Redactor } from '../audit/redaction/redactor.ts';
import type { Config } from '../config/config.ts';

/** Longer than an interrupted turn takes to end, shorter than the time-out of `docker stop`. */
export const SHUTDOWN_LIMIT_MS = 9_000;

/** Standard output belongs to MCP. */
export function logToStderr(config: Pick<Config, 'LOG_LEVEL'>, redactor: Redactor): Logger {
  const hooks = { streamWrite: (line: string) => redactedLine(line, redactor) };
  return pino({ level: config.LOG_LEVEL, hooks }, pino.destination({ dest: 2, sync: true }));
}
