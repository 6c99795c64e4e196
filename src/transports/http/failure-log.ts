import type { FastifyBaseLogger } from 'fastify';
import { ERRORS, toAppError } from '../../errors.ts';

/** Logs a failed request or call, with its cause if the server is at fault. */
export function logFailure(log: FastifyBaseLogger, error: unknown): void {
  const failure = toAppError(error);
  const { code, message } = failure;
  if (ERRORS[code].status >= 500) log.error({ err: failure, code }, message);
  else log.info({ code }, message);
}
