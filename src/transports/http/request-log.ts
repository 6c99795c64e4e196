import { type FastifyReply, type FastifyRequest, LogController } from 'fastify';

const QUIET_PATHS = new Set(['/ping', '/health']);

/** One line for each request, when it has ended; without the query, where session ids stand. */
export class RequestLog extends LogController {
  constructor() {
    super({ requestIdLogLabel: 'correlation_id' });
  }

  override incomingRequest(): void {}

  override requestCompleted(
    error: Error | null | undefined,
    request: FastifyRequest,
    reply: FastifyReply,
  ): void {
    const path = request.url.split('?', 1)[0] ?? '';
    const { statusCode: status, elapsedTime } = reply;
    const facts = { method: request.method, path, status, ms: Math.round(elapsedTime) };
    const level = QUIET_PATHS.has(path) ? 'debug' : 'info';
    request.log[level]({ ...facts, ...(error && { err: error }) }, 'request ended');
  }
}
