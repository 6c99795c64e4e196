import { randomUUID } from 'node:crypto';
import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { AppError } from '../../errors.ts';
import { rawAnswer } from './raw-answer.ts';
import type { SlowBodies } from './slow-bodies.ts';

/** Requests in which the parser of Node finds an error never reach fastify. */
export class UnreadableRequests {
  readonly #log: Logger;
  readonly #slowBodies: SlowBodies;
  readonly #answers = new WeakMap<Duplex, Set<ServerResponse>>();

  constructor(log: Logger, slowBodies: SlowBodies) {
    this.#log = log;
    this.#slowBodies = slowBodies;
  }

  /** To know which answers are on their way over a connection. */
  watch(server: Server): void {
    server.on('request', ({ socket }, response) => {
      const answers = this.#answers.get(socket) ?? new Set();
      this.#answers.set(socket, answers.add(response));
      response.once('close', () => answers.delete(response));
    });
    // An unknown expectation may be disregarded; Node would refuse it without a word.
    server.on('checkExpectation', (request, response) => {
      server.emit('request', request, response);
    });
  }

  /** Answers as for any other failure, and closes the connection: nobody knows where a next request would begin. */
  refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (error.code === 'ECONNRESET' || socket.destroyed) return;
    // Told once for each request, whose body comes on all the same.
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && this.#slowBodies.has(socket)) return;
    const failure = failureOf(error);
    const correlationId = randomUUID();
    // Not the error, which holds what was sent.
    const facts = { correlation_id: correlationId, code: failure.code, reason: error.code };
    this.#log.info(facts, failure.message);
    if (socket.writable && !this.#isAnswering(socket))
      socket.write(rawAnswer(failure, correlationId));
    socket.destroy();
  }

  /** Within an answer, another one would be read as a part of it. */
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
