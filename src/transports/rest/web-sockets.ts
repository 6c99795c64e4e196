import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { WebSocketServer } from 'ws';
import type { Authenticator } from '../../callers/authentication/authenticator.ts';
import type { Config } from '../../config/config.ts';
import { AppError, toAppError } from '../../errors.ts';
import type { Principal } from '../../identity/principal.ts';
import { logFailure } from '../http/failure-log.ts';
import { rawAnswer } from '../http/raw-answer.ts';
import { requestGuard } from '../http/request-guard.ts';
import type { ApprovalDesk } from './approval-routes.ts';
import { ApprovalSocket } from './approval-socket.ts';
import type { EventStreams } from './event-streams.ts';

const PATH = '/ws';
const LARGEST_MESSAGE = 64 * 1024;
const HEARTBEAT_MS = 30_000;
/** The sub-protocol by which browsers show a token: they can set no other header. */
const BEARER = 'bearer';
const GOING_AWAY = 1001;

type SocketOptions = {
  config: Config;
  authenticator: Pick<Authenticator, 'authenticate'>;
  approvals: (principal: Principal) => ApprovalDesk;
  streams: EventStreams;
  log: Logger;
  socketHeartbeatMs?: number;
};

export function isWebSocket({ headers }: { headers: IncomingHttpHeaders }): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/** Takes WebSockets at `/ws`, under the same conditions as any request. */
export function serveSockets(app: FastifyInstance, options: SocketOptions): void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: LARGEST_MESSAGE,
    handleProtocols: (offered) => (offered.has(BEARER) ? BEARER : false),
  });
  const faultOf = requestGuard(options.config);
  app.server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    // Who leaves before an answer is no fault of ours.
    stream.on('error', () => stream.destroy());
    accept(request, { options, faultOf })
      .then(({ principal, authenticate, leave }) => {
        if (stream.destroyed) return leave();
        stream.once('close', leave);
        sockets.handleUpgrade(request, stream, head, (socket) => {
          const { approvals, log, socketHeartbeatMs: heartbeatMs = HEARTBEAT_MS } = options;
          new ApprovalSocket(socket, { principal, authenticate, approvals, heartbeatMs, log });
        });
      })
      .catch((error: unknown) => {
        const correlationId = randomUUID();
        logFailure(options.log.child({ correlation_id: correlationId }), error);
        stream.end(rawAnswer(toAppError(error), correlationId), () => stream.destroy());
      });
  });
  app.addHook('preClose', (done) => {
    for (const socket of sockets.clients) {
      socket.close(GOING_AWAY);
      socket.terminate();
    }
    done();
  });
}

type Guarded = { options: SocketOptions; faultOf: ReturnType<typeof requestGuard> };

/** Throws why a socket is not opened. */
async function accept(request: IncomingMessage, { options, faultOf }: Guarded) {
  const { headers, socket, url = '' } = request;
  const fault = faultOf(headers);
  if (fault) throw fault;
  if (url.split('?', 1)[0] !== PATH || !isWebSocket(request)) {
    throw new AppError('not_found', `WebSockets are at ${PATH}.`);
  }
  const credentials = {
    authorization: headers.authorization ?? tokenOf(headers),
    address: socket.remoteAddress ?? '',
  };
  const authenticate = () => options.authenticator.authenticate(credentials);
  const principal = await authenticate();
  return { principal, authenticate, leave: options.streams.enter() };
}

/** Of `Sec-WebSocket-Protocol: bearer, TOKEN`. Never of the URL, which is logged everywhere. */
function tokenOf(headers: IncomingHttpHeaders): string | undefined {
  const [scheme, token] = headers['sec-websocket-protocol']?.split(/\s*,\s*/) ?? [];
  return scheme === BEARER && token ? `Bearer ${token}` : undefined;
}
