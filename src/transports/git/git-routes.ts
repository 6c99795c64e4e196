import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import type { CallerAudit } from '../../callers/caller-audit.ts';
import type { CallerWorkspaces } from '../../callers/caller-workspaces.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { AgentName } from '../../identity/agent-id.ts';
import type { Principal } from '../../identity/principal.ts';
import { GitOperationLimit } from '../../workspaces/git-remote/git-operation-limit.ts';
import { GIT_SERVICES, type GitService } from '../../workspaces/git-remote/git-service.ts';
import type { SlowBodies } from '../http/slow-bodies.ts';
import { answerGit } from './git-exchange.ts';
import { refuseGit } from './git-refusal.ts';

const REPOSITORY = '/agents/:id/workspace.git';
const BODY_TYPES = GIT_SERVICES.map((service) => `application/x-${service}-request`);
const OF_GIT: RouteShorthandOptions = { config: { asksForPassword: true, refuse: refuseGit } };
/** Before a long push, git sends an empty request to see whether it is authorized. */
const PROBE_BYTES = '4';

type Repository = { Params: { id: AgentName }; Querystring: { service?: string } };

export type GitRoutesOptions = {
  /** The view of a caller on workspaces. */
  workspaces: (principal: Principal) => Pick<CallerWorkspaces, 'read' | 'change' | 'has'>;
  config: Pick<
    Config,
    'GIT_IDLE_TIMEOUT' | 'GIT_MAX_OPERATIONS' | 'GIT_MAX_PUSH_BYTES' | 'GIT_TIMEOUT'
  >;
  audit: (principal: Principal) => Pick<CallerAudit, 'append' | 'assertWritable'>;
};

/** Serves the workspace of every agent as a git remote. */
export function gitRoutes(
  app: FastifyInstance,
  { workspaces, config, audit }: GitRoutesOptions,
  slowBodies: SlowBodies,
): void {
  const served = { config, slowBodies };
  const operations = new GitOperationLimit(config.GIT_MAX_OPERATIONS);
  const serve = async (
    request: FastifyRequest<Repository>,
    reply: FastifyReply,
    service: GitService,
  ) => {
    using _operation = operations.acquire();
    const { principal } = request;
    const views = { workspaces: workspaces(principal), audit: audit(principal) };
    await answerGit({ request, reply, service, ...views }, served);
  };
  for (const type of BODY_TYPES) {
    app.addContentTypeParser(type, (_request, payload, done) => done(null, payload));
  }
  app.get<Repository>(`${REPOSITORY}/info/refs`, OF_GIT, (request, reply) =>
    serve(request, reply, serviceOf(request.query.service)),
  );
  for (const service of GIT_SERVICES) {
    app.post<Repository>(`${REPOSITORY}/${service}`, OF_GIT, async (request, reply) => {
      if (!(request.body instanceof Readable)) throw noBody(service);
      if (request.headers['content-length'] !== PROBE_BYTES) return serve(request, reply, service);
      return reply.type(`application/x-${service}-result`).send('');
    });
  }
}

function serviceOf(named: string | undefined): GitService {
  const service = GIT_SERVICES.find((one) => one === named);
  if (service) return service;
  throw new AppError('invalid_input', `The service must be one of ${GIT_SERVICES.join(', ')}.`);
}

function noBody(service: GitService): AppError {
  return new AppError('invalid_input', `The body must be of application/x-${service}-request.`);
}
