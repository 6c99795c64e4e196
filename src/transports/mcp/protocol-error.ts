import { ProtocolError, type ServerContext } from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import { ERRORS, reportError } from '../../errors.ts';
import { logFailure } from '../http/failure-log.ts';
import { correlationIdOf } from './endpoints/web-exchange.ts';

/** A failure as a JSON-RPC error, for requests other than tool calls. */
export function protocolError(error: unknown, correlationId: string): ProtocolError {
  const report = reportError(error, correlationId);
  return new ProtocolError(ERRORS[report.code].rpc, `${report.message} ${report.hint}`, report);
}

/** Runs a request. Rejects with a JSON-RPC error only. */
export async function orProtocolError<T>(
  context: ServerContext,
  log: Logger,
  action: () => T | Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    const correlationId = correlationIdOf(context);
    logFailure(log.child({ correlation_id: correlationId }), error);
    throw protocolError(error, correlationId);
  }
}
