import { once } from 'node:events';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import pTimeout from 'p-timeout';
import type { AgentRecord } from '../../agents/agent.ts';
import type { AgentLink } from '../../agents/links/agent-link.ts';
import type { CallerAudit } from '../../callers/caller-audit.ts';
import type { CallerWorkspaces } from '../../callers/caller-workspaces.ts';
import type { Config } from '../../config/config.ts';
import { AppError, toAppError } from '../../errors.ts';
import type { AgentName } from '../../identity/agent-id.ts';
import type { GitBounds } from '../../workspaces/git-remote/git-bounds.ts';
import {
  type GitRequest,
  type GitService,
  serveGit,
} from '../../workspaces/git-remote/git-service.ts';
import { disconnectSignal } from '../http/disconnect.ts';
import { logFailure } from '../http/failure-log.ts';
import type { SlowBodies } from '../http/slow-bodies.ts';
import { EMPTY_REPOSITORY } from './empty-repository.ts';
import { GitAnswer } from './git-answer.ts';
import { GitAudit } from './git-audit.ts';

/** Limit of the body of a fetch, which lists the commits that the client wants and has. */
const FETCH_BYTES = 64 * 1024 * 1024;
/** Longer than git is silent while it works: it reports progress every 5 s. */
const GIT_QUIET_SECONDS = 15;

type Exchange = {
  request: FastifyRequest<{ Params: { id: AgentName } }>;
  reply: FastifyReply;
  service: GitService;
  workspaces: Pick<CallerWorkspaces, 'read' | 'change' | 'has'>;
  audit: Pick<CallerAudit, 'append' | 'assertWritable'>;
};

type Served = {
  config: Pick<Config, 'GIT_IDLE_TIMEOUT' | 'GIT_MAX_PUSH_BYTES' | 'GIT_TIMEOUT'>;
  slowBodies: SlowBodies;
};

/**
 * Answers one request of a git client. A push has the agent for itself, from the refs that it is told
 * to what it sends; and its answer ends only when the agent is free again, for what follows at once.
 */
export async function answerGit(exchange: Exchange, served: Served): Promise<void> {
  const { request, reply, service, workspaces, audit } = exchange;
  const agentName = request.params.id;
  const bounds = boundsOf(service, served.config);
  const answer = new GitAnswer(
    reply,
    service,
    isAdvertisement(request) ? 'advertisement' : 'result',
  );
  using _patience = served.slowBodies.expect(request.raw.socket);
  const note = new GitAudit({
    ...{ service, agentName, audit, correlationId: request.id },
    asks: isAdvertisement(request),
  });
  try {
    const wanted = requestOf(request, service);
    const run = async (link: AgentLink, agent: AgentRecord) => {
      note.agentId = agent.agentId;
      const send = (chunk: Buffer, over: AbortSignal) => answer.send(chunk, over);
      const signal = disconnectSignal(reply);
      note.traffic = await serveGit(link.workspace, wanted, { send, bounds, signal });
    };
    if (service === 'git-upload-pack') await workspaces.read(agentName, run);
    else if (!isAdvertisement(request) || workspaces.has(agentName)) {
      await workspaces.change(agentName, run);
    } else await answer.send(EMPTY_REPOSITORY, disconnectSignal(reply));
    note.end(request.log);
    answer.end();
  } catch (failure) {
    const error = isUnreadable(failure) ? unreadable(failure) : failure;
    note.end(request.log, error);
    if (answer.begun) return breakOff(exchange, error);
    await readToEnd(request.raw, bounds);
    if (!request.raw.complete) reply.header('connection', 'close');
    throw error;
  }
}

function isAdvertisement({ method }: FastifyRequest): boolean {
  return method !== 'POST';
}

function boundsOf(service: GitService, config: Served['config']): GitBounds {
  return {
    maxBytes: service === 'git-receive-pack' ? config.GIT_MAX_PUSH_BYTES : FETCH_BYTES,
    idleSeconds: config.GIT_IDLE_TIMEOUT,
    totalSeconds: config.GIT_TIMEOUT,
    quietSeconds: GIT_QUIET_SECONDS,
  };
}

function requestOf(request: FastifyRequest, service: GitService): GitRequest {
  const { body, headers } = request;
  const [, version] =
    /(?:^|:)version=([012])(?::|$)/.exec(`${headers['git-protocol'] ?? ''}`) ?? [];
  return {
    service,
    protocol: version as GitRequest['protocol'],
    body: body instanceof Readable ? decoded(body, headers['content-encoding']) : undefined,
  };
}

function decoded(body: Readable, encoding = 'identity'): Readable {
  if (encoding === 'identity') return body;
  if (!/^(x-)?gzip$/.test(encoding)) {
    throw new AppError('invalid_input', 'The encoding of the body must be gzip, or none.');
  }
  // Not a pipeline, which would close the connection that has to carry the error.
  const plain = body.pipe(createGunzip());
  body.once('error', (error) => plain.destroy(error));
  // The reader of the body gets this error too; the listener covers the time before it reads.
  plain.on('error', () => undefined);
  return plain;
}

function isUnreadable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^Z_/.test(`${error.code}`);
}

function unreadable(cause: unknown): AppError {
  return new AppError('invalid_input', 'The body is not what gzip makes.', { cause });
}

/** Reads the rest of the body: a client reads no answer before it has sent everything. */
async function readToEnd(body: Readable, { idleSeconds }: GitBounds): Promise<void> {
  if (body.readableEnded || body.destroyed) return;
  body.unpipe();
  body.resume();
  const over = Promise.race([once(body, 'end'), once(body, 'close')]);
  await pTimeout(over, { milliseconds: idleSeconds * 1000 }).catch(() => undefined);
}

/** Cuts a broken answer, so that its reader does not take it for a whole one. */
function breakOff({ request, reply }: Exchange, error: unknown): void {
  logFailure(request.log, toAppError(error));
  reply.raw.destroy();
}
