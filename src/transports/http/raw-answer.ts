import { STATUS_CODES } from 'node:http';
import { type AppError, ERRORS, reportError } from '../../errors.ts';

/** A failure in our form, for a connection that no framework answers on. It is the last of it. */
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
