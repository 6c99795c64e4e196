import type { FastifyReply, FastifyRequest } from 'fastify';
import { type AppError, ERRORS, reportError } from '../../errors.ts';
import { FLUSH, packet } from './packet-line.ts';

/** Sideband of fatal errors: git shows the text and ends the operation. */
const FATAL = '\u0003';

/**
 * Says why in the ways that git shows to people: plain text where it asks what there is, and a message
 * of its own protocol, with a status of success, where it sends something. Answers false to others,
 * who get what they get everywhere.
 */
export function refuseGit(
  failure: AppError,
  request: FastifyRequest,
  reply: FastifyReply,
): boolean {
  if (!/^git\//.test(request.headers['user-agent'] ?? '')) return false;
  const { message, hint } = reportError(failure);
  const text = `${message} ${hint}`;
  const { status } = ERRORS[failure.code];
  const [service] = /git-(?:upload|receive)-pack$/.exec(request.url) ?? [];
  if (request.method !== 'POST' || service === undefined || status === 401) {
    reply.code(status).type('text/plain; charset=utf-8').send(`${text}\n`);
    return true;
  }
  const line = service === 'git-receive-pack' ? `${FATAL}${text}` : `ERR ${text}\n`;
  reply
    .code(200)
    .type(`application/x-${service}-result`)
    .send(Buffer.concat([packet(line), FLUSH]));
  return true;
}
