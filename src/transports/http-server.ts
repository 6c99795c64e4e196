import { randomUUID } from 'node:crypto';
import { fastifySSE } from '@fastify/sse';
import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { RateLimits } from '../callers/rate-limits.ts';
import type { Config } from '../config/config.ts';
import type { Principal } from '../identity/principal.ts';
import type { Caller } from '../tools/tool.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import { type GitRoutesOptions, gitRoutes } from './git/git-routes.ts';
import { type AuthenticationOptions, authenticateRequests } from './http/authentication.ts';
import { limitConnections } from './http/connection-limit.ts';
import { handleErrors, replyWithError } from './http/error-handler.ts';
import { acceptJsonBodies } from './http/json-body.ts';
import { limitRates } from './http/rate-limit.ts';
import { guardRequests } from './http/request-guard.ts';
import { RequestLog } from './http/request-log.ts';
import { SlowBodies } from './http/slow-bodies.ts';
import { asksForSocket } from './http/socket-request.ts';
import { UnreadableRequests } from './http/unreadable-requests.ts';
import { McpSessions } from './mcp/endpoints/mcp-sessions.ts';
import { sseRoutes } from './mcp/endpoints/sse-routes.ts';
import { streamableRoutes } from './mcp/endpoints/streamable-routes.ts';
import { Tasks, type TaskTurns } from './mcp/tasks/tasks.ts';
import { type AgentFeed, agentRoutes } from './rest/agent-routes.ts';
import { agentSettingsRoutes, type SettingsView } from './rest/agent-settings-routes.ts';
import { type ApprovalDesk, approvalRoutes } from './rest/approval-routes.ts';
import { takeBodiesRaw } from './rest/archive-exchange.ts';
import { type AgentDesk, beginRoute } from './rest/begin-route.ts';
import { type DiffFeed, diffRoutes } from './rest/diff-routes.ts';
import { EventStreams } from './rest/event-streams.ts';
import { type FileDesk, fileRoutes } from './rest/file-routes.ts';
import { infoRoutes } from './rest/info-routes.ts';
import { reviewRoutes } from './rest/review-routes.ts';
import { type SnapshotDesk, snapshotRoutes } from './rest/snapshot-routes.ts';
import { toolRoutes } from './rest/tool-routes.ts';
import { type TurnFeed, turnRoutes } from './rest/turn-routes.ts';
import { serveSockets } from './rest/web-sockets.ts';

/** Limit for a request to arrive. The time of its answer has no limit here. */
const RECEIVE_TIMEOUT_MS = 60_000;
/** Interval at which Node looks for requests beyond that limit. */
const RECEIVE_CHECK_MS = 10_000;
/** A reader of events that reads nothing for this long is disconnected. */
const READER_PATIENCE_MS = 60_000;
/** Longer than the 60 s that load balancers keep idle connections, so that they close first. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** Clients and proxies give up silent streams after 30 s and more. */
const SSE_HEARTBEAT_MS = 15_000;

export type HttpServerOptions = {
  config: Config;
  toolbox: Toolbox;
  authenticator: AuthenticationOptions['authenticator'];
  rates: Pick<RateLimits, 'takeRequest'>;
  /** The views of a caller. */
  turns: (principal: Principal) => TurnFeed & TaskTurns;
  agents: (principal: Principal) => AgentFeed;
  settings: (principal: Principal) => SettingsView;
  approvals: (principal: Principal) => ApprovalDesk;
  changes: (principal: Principal) => DiffFeed;
  workspaces: GitRoutesOptions['workspaces'];
  audit: GitRoutesOptions['audit'];
  files: (principal: Principal) => FileDesk & AgentDesk;
  snapshots: (principal: Principal) => SnapshotDesk;
  health: () => Promise<{ ready: boolean }>;
  log: Logger;
  version: string;
  receiveTimeoutMs?: number;
  readerPatienceMs?: number;
  /** Interval at which tokens of open responses are checked. */
  recheckMs?: number;
  socketHeartbeatMs?: number;
};

/** Builds one server with every transport, not yet listening. `close()` ends all sessions and streams. */
export function buildHttpServer(options: HttpServerOptions): FastifyInstance {
  const { config, toolbox, turns, log, readerPatienceMs = READER_PATIENCE_MS } = options;
  const slowBodies = new SlowBodies();
  const app = createApp(options, slowBodies);
  const streams = new EventStreams(config.MAX_EVENT_READERS, readerPatienceMs);
  const sessions = new McpSessions({ config, log });
  const tasks = (caller: Caller) => new Tasks({ toolbox, turns, caller, config });

  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-correlation-id', request.id);
    done();
  });
  guardRequests(app, config);
  handleErrors(app);
  authenticateRequests(app, options);
  limitRates(app, options.rates);
  acceptJsonBodies(app);
  // The SSE plugin hooks into routes as they are added, so it is registered first.
  app.register(fastifySSE, { heartbeatInterval: SSE_HEARTBEAT_MS });
  app.register((routes, _options, done) => {
    infoRoutes(routes, options);
    const served = { ...options, tasks, sessions };
    sseRoutes(routes, served);
    streamableRoutes(routes, served);
    done();
  });
  app.register((routes, _options, done) => {
    toolRoutes(routes, options);
    turnRoutes(routes, turns, streams);
    reviewRoutes(routes, options);
    agentRoutes(routes, options.agents, streams);
    agentSettingsRoutes(routes, options.settings);
    diffRoutes(routes, options);
    beginRoute(routes, options);
    approvalRoutes(routes, options.approvals, streams);
    done();
  });
  app.register((routes, _options, done) => {
    gitRoutes(routes, options, slowBodies);
    done();
  });
  app.register((routes, _options, done) => {
    takeBodiesRaw(routes);
    fileRoutes(routes, options, slowBodies);
    snapshotRoutes(routes, options, slowBodies);
    done();
  });
  serveSockets(app, { ...options, streams });
  app.addHook('preClose', () => sessions.closeAll());
  return app;
}

function createApp(
  { config, log, receiveTimeoutMs }: HttpServerOptions,
  slowBodies: SlowBodies,
): FastifyInstance {
  const loggerInstance: FastifyBaseLogger = log;
  const receiveMs = receiveTimeoutMs ?? RECEIVE_TIMEOUT_MS;
  const unreadable = new UnreadableRequests(log, slowBodies);
  const app = fastify({
    loggerInstance,
    logController: new RequestLog(),
    genReqId: () => randomUUID(),
    frameworkErrors: replyWithError,
    clientErrorHandler: (error, socket) => unreadable.refuse(error, socket),
    bodyLimit: config.MAX_BODY_BYTES,
    forceCloseConnections: true,
    connectionTimeout: 0,
    handlerTimeout: 0,
    requestTimeout: receiveMs,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    http: {
      // Other upgrades, such as h2c of Java clients, may be ignored.
      shouldUpgradeCallback: asksForSocket,
      headersTimeout: receiveMs,
      // The request guard checks it with the other headers, and refuses it with an error.
      requireHostHeader: false,
      connectionsCheckingInterval: Math.min(receiveMs, RECEIVE_CHECK_MS),
    },
  });
  limitConnections(app.server, config.MAX_CONNECTIONS, log);
  unreadable.watch(app.server);
  return app;
}
