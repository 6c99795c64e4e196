import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Authenticator } from '../../callers/authentication/authenticator.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { Principal } from '../../identity/principal.ts';
import { asksForSocket, socketBearer } from './socket-request.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller; {@link NOBODY} on a public route without a valid token. */
    principal: Principal;
  }
  interface FastifyContextConfig {
    /** Whether the route needs no token. */
    isPublic?: boolean;
    /** Whether a client without a token gets a Basic challenge, the only one that git can answer. */
    asksForPassword?: boolean;
  }
}

/** The principal of a request to a public route without a valid token. */
export const NOBODY: Principal = { id: '', tenant: '', roles: [] };

const REALM = 'realm="codex-mcp-server"';
const METADATA_PATH = '/.well-known/oauth-protected-resource';

/** How long a stream may outlive its token. */
const RECHECK_MS = 10_000;

export type AuthenticationOptions = {
  recheckMs?: number;
  authenticator: Pick<Authenticator, 'authenticate' | 'isWithdrawn'>;
  config: Pick<Config, 'OIDC_ISSUER' | 'PUBLIC_URL'>;
};

/**
 * Every request to a route that is not public must say who sends it, in its `Authorization` header:
 * URLs are logged everywhere. A refusal tells OAuth clients where to log in.
 */
export function authenticateRequests(app: FastifyInstance, options: AuthenticationOptions): void {
  const { authenticator, config } = options;
  app.decorateRequest('principal');
  app.addHook('onRequest', async (request, reply) => {
    try {
      request.principal = await authenticator.authenticate(credentialsOf(request));
      endWithToken(request, reply, options);
    } catch (error) {
      request.principal = NOBODY;
      if (request.routeOptions.config?.isPublic) return;
      challenge(error, request, reply, config);
      throw error;
    }
  });
  const { OIDC_ISSUER } = config;
  if (OIDC_ISSUER === undefined) return;
  for (const suffix of ['', '/mcp', '/sse']) {
    app.get(`${METADATA_PATH}${suffix}`, { config: { isPublic: true } }, (request) => ({
      resource: `${originOf(request, config)}${suffix}`,
      authorization_servers: [OIDC_ISSUER],
      bearer_methods_supported: ['header'],
      resource_name: 'codex-mcp-server',
    }));
  }
}

/** The credentials and the address of a request. */
export function credentialsOf({ headers, ip: address }: FastifyRequest) {
  return { authorization: headers.authorization ?? socketBearer(headers), address };
}

/**
 * An answer that takes long is cut when its token is revoked or expires; the turn that it waits for goes on. A
 * WebSocket looks for itself, and says why it ends.
 */
function endWithToken(
  request: FastifyRequest,
  { raw }: FastifyReply,
  { authenticator, recheckMs = RECHECK_MS }: AuthenticationOptions,
): void {
  const { headers, log } = request;
  const { authorization } = headers;
  if (asksForSocket(request)) return;
  const timer = setInterval(() => {
    if (!authenticator.isWithdrawn(authorization)) return;
    log.info('The token of an open answer was revoked or has expired');
    raw.destroy();
  }, recheckMs).unref();
  raw.once('close', () => clearInterval(timer));
}

/** Whether the request has an authenticated principal. */
export function isKnown({ principal }: FastifyRequest): boolean {
  return principal !== NOBODY;
}

function challenge(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  config: AuthenticationOptions['config'],
): void {
  if (!(error instanceof AppError) || error.code !== 'unauthorized') return;
  if (request.routeOptions.config?.asksForPassword) {
    reply.header('www-authenticate', `Basic ${REALM}, charset="UTF-8"`);
    return;
  }
  const parts = [REALM];
  if (request.headers.authorization !== undefined) parts.push('error="invalid_token"');
  if (config.OIDC_ISSUER !== undefined) {
    const path = /^\/(mcp|sse)\b/.exec(request.url)?.[0] ?? '';
    parts.push(`resource_metadata="${originOf(request, config)}${METADATA_PATH}${path}"`);
  }
  reply.header('www-authenticate', `Bearer ${parts.join(', ')}`);
}

function originOf(
  { protocol, host }: FastifyRequest,
  { PUBLIC_URL }: AuthenticationOptions['config'],
): string {
  return PUBLIC_URL ?? `${protocol}://${host}`;
}
