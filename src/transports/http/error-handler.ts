import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError, ERRORS, reportError, toAppError } from '../../errors.ts';
import { logFailure } from './failure-log.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Failures of this route are JSON-RPC errors, which MCP clients can read. */
    jsonRpcErrors?: boolean;
    /** Sends the failure in a format of its own. Returns false if it does not. */
    refuse?: (failure: AppError, request: FastifyRequest, reply: FastifyReply) => boolean;
  }
}

/** Sends every failure, expected or not, and answers unknown paths. */
export function handleErrors(app: FastifyInstance): void {
  app.setErrorHandler(replyWithError);
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0]?.slice(0, 200);
    const error = new AppError('not_found', `There is no ${request.method} ${path}.`);
    replyWithError(error, request, reply);
  });
  // The SSE plugin answers one failure itself: a request that does not accept events.
  app.addHook('preSerialization', async (request, reply, payload) => {
    if (reply.statusCode !== 406) return payload;
    const message = 'This is a stream of events; Accept has to allow text/event-stream.';
    return bodyOf(new AppError('not_acceptable', message), request);
  });
}

/** Sends the failure in the shape and with the status of its row in the error table. */
export function replyWithError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const failure = ofRequest(error, request);
  const { status } = ERRORS[failure.code];
  logFailure(request.log, failure);
  const { retry_after_seconds: retryAfter } = reportError(failure);
  if (typeof retryAfter === 'number') reply.header('retry-after', Math.ceil(retryAfter));
  reply.header('x-correlation-id', request.id);
  if (request.routeOptions.config?.refuse?.(failure, request, reply)) return;
  reply.code(status).type('application/json');
  reply.send(bodyOf(failure, request));
}

function bodyOf(failure: AppError, request: FastifyRequest): object {
  const report = reportError(failure, request.id);
  if (!request.routeOptions.config?.jsonRpcErrors) return { error: report };
  const message = `${report.message} ${report.hint}`;
  const { rpc } = ERRORS[failure.code];
  return { jsonrpc: '2.0', id: null, error: { code: rpc, message, data: report } };
}

/** Failures that fastify finds in a request carry a 4xx status of their own. */
function ofRequest(error: unknown, request: FastifyRequest): AppError {
  if (error instanceof AppError || !isRequestFault(error)) return toAppError(error);
  if (error.statusCode === 413) {
    const limit = request.routeOptions.bodyLimit;
    return new AppError('body_too_large', `The request body is larger than ${limit} bytes.`);
  }
  return new AppError('invalid_input', error.message, { cause: error });
}

function isRequestFault(error: unknown): error is FastifyError {
  if (!(error instanceof Error) || !('statusCode' in error)) return false;
  const { statusCode } = error;
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500;
}
