import { STATUS_CODES } from 'node:http';
import { type AppError, ERRORS, reportError } from '../../errors.ts';

/** The text of a whole error response, for a connection that fastify does not handle. The response closes it. */
export function rawAnswer(failure: AppError, correlationId: string): string {
  const { status } = ERRORS[failure.code];
  const body = JSON.stringify({ error: reportError(failure, correlationId) });
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Correlation-Id: ${correlationId}`,
    '',
    body,
  ].join('\r\n');
}
