import { finished } from 'node:stream';
import { fastifyWebsocket } from '@fastify/websocket';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Authenticator } from '../../callers/authentication/authenticator.ts';
import type { Principal } from '../../identity/principal.ts';
import { credentialsOf } from '../http/authentication.ts';
import { asksForSocket, BEARER, SOCKET_PATH } from '../http/socket-request.ts';
import type { ApprovalDesk } from './approval-routes.ts';
import { ApprovalSocket } from './approval-socket.ts';
import type { EventStreams } from './event-streams.ts';

const LARGEST_MESSAGE = 64 * 1024;
const HEARTBEAT_MS = 30_000;
const GOING_AWAY = 1001;
const INTERNAL_ERROR = 1011;

type SocketOptions = {
  authenticator: Pick<Authenticator, 'authenticate'>;
  approvals: (principal: Principal) => ApprovalDesk;
  streams: EventStreams;
  log: Logger;
  socketHeartbeatMs?: number;
};

/** Accepts WebSockets, behind the guards of every other request. */
export function serveSockets(app: FastifyInstance, options: SocketOptions): void {
  const { log } = options;
  app.register((routes, _options, done) => {
    routes.register(fastifyWebsocket, {
      options: {
        maxPayload: LARGEST_MESSAGE,
        handleProtocols: (offered) => (offered.has(BEARER) ? BEARER : false),
      },
      errorHandler(error, socket) {
        log.debug({ err: error }, 'A WebSocket broke');
        socket.close(INTERNAL_ERROR);
      },
      preClose(closed) {
        for (const socket of this.websocketServer.clients) {
          socket.close(GOING_AWAY);
          socket.terminate();
        }
        // Refuses connections that are being opened.
        this.websocketServer.close();
        closed();
      },
    });
    // The plugin hooks into routes as they are added.
    routes.after(() => addRoute(routes, options));
    done();
  });
}

function addRoute(app: FastifyInstance, options: SocketOptions): void {
  const { authenticator, approvals, streams, log, socketHeartbeatMs = HEARTBEAT_MS } = options;
  app.route({
    method: 'GET',
    url: SOCKET_PATH,
    exposeHeadRoute: false,
    onRequest: async (request, reply) => {
      if (!request.ws) return reply.callNotFound();
      finished(request.raw.socket, streams.enter());
    },
    // The plugin closes only connections that the guards let through.
    onResponse: async (request) => {
      if (asksForSocket(request)) request.raw.socket.destroy();
    },
    websocket: true,
    handler(socket, request) {
      const { principal } = request;
      const authenticate = () => authenticator.authenticate(credentialsOf(request));
      const heartbeatMs = socketHeartbeatMs;
      new ApprovalSocket(socket, { principal, authenticate, approvals, heartbeatMs, log });
    },
  });
}
