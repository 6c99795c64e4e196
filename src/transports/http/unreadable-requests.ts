import { randomUUID } from 'node:crypto';
import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { AppError } from '../../errors.ts';
import { rawAnswer } from './raw-answer.ts';
import type { SlowBodies } from './slow-bodies.ts';

/** Answers requests that Node cannot parse, which never reach fastify. */
export class UnreadableRequests {
  readonly #log: Logger;
  readonly #slowBodies: SlowBodies;
  readonly #answers = new WeakMap<Duplex, Set<ServerResponse>>();

  constructor(log: Logger, slowBodies: SlowBodies) {
    this.#log = log;
    this.#slowBodies = slowBodies;
  }

  /** Tracks the responses under way on each connection. */
  watch(server: Server): void {
    server.on('request', ({ socket }, response) => {
      const answers = this.#answers.get(socket) ?? new Set();
      this.#answers.set(socket, answers.add(response));
      response.once('close', () => answers.delete(response));
    });
    // An unknown expectation may be ignored; Node would refuse it without a body.
    server.on('checkExpectation', (request, response) => {
      server.emit('request', request, response);
    });
  }

  /** Sends the error and closes the connection, as the start of a next request is unknown. */
  refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (error.code === 'ECONNRESET' || socket.destroyed) return;
    // Sent once per request, although more of its body arrives.
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && this.#slowBodies.has(socket)) return;
    const failure = failureOf(error);
    const correlationId = randomUUID();
    // Not the error itself, which contains what was sent.
    const facts = { correlation_id: correlationId, code: failure.code, reason: error.code };
    this.#log.info(facts, failure.message);
    if (socket.writable && !this.#isAnswering(socket))
      socket.write(rawAnswer(failure, correlationId));
    socket.destroy();
  }

  /** A second response within an unfinished one would be read as a part of it. */
  #isAnswering(socket: Duplex): boolean {
    return [...(this.#answers.get(socket) ?? [])].some(({ headersSent }) => headersSent);
  }
}

function failureOf({ code, message }: NodeJS.ErrnoException): AppError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AppError('request_timeout', 'The request took too long to arrive.');
    case 'HPE_HEADER_OVERFLOW':
      return new AppError('headers_too_large', 'The headers of the request are too large.');
    default:
      return new AppError('invalid_input', `This is no HTTP/1.1 request: ${message}.`);
  }
}
