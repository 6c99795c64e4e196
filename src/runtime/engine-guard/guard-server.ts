import fs from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from 'pino';
import type { EngineCallName } from './engine-calls.ts';
import { EngineGuard, type GuardConfig } from './engine-guard.ts';
import { EngineAnswer, EngineSocket } from './engine-socket.ts';
import { connectExec, type Upgrade } from './exec-connection.ts';
import { Installation } from './installation.ts';
import { Refusal } from './refusal.ts';

const CONNECTIONS = 1024;
const KEEP_ALIVE_MS = 30_000;

export type GuardOptions = {
  /** The engine's own socket. */
  socket: string;
  /** `unix:///path` or `tcp://host:port`. */
  listen: string;
  /** File with the id of the installation. */
  remember?: string | undefined;
  config: GuardConfig;
  log: Logger;
  /** Called for each allowed call. */
  onCall?: (name: EngineCallName) => void;
};

export type GuardServer = AsyncDisposable & {
  /** For DOCKER_HOST. */
  url: string;
};

/** Serves the calls that the server may make to an engine, and refuses all others. */
export async function startEngineGuard(options: GuardOptions): Promise<GuardServer> {
  const { log, onCall, config } = options;
  const engine = new EngineSocket(options.socket);
  const installation = new Installation(options.remember);
  const guard = await EngineGuard.create({ engine, installation, config });
  const connections = new Set<Socket>();
  const server = http.createServer(
    { keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS, noDelay: true },
    (request, response) => {
      guard.serve(request, response).then(onCall, (error) => {
        // A client that has gone needs no response.
        if (response.closed && !(error instanceof Refusal)) return;
        answer(response, failureOf(error, request, log));
      });
    },
  );
  server.maxConnections = CONNECTIONS;
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  server.on('upgrade', (request, client: Socket, head) => {
    const upgrade: Upgrade = { request, client, head };
    client.on('error', () => undefined);
    connectExec(upgrade, { engine, resources: guard.resources })
      .then(() => onCall?.('startExec'))
      .catch((error: unknown) => client.end(rawAnswer(failureOf(error, request, log))));
  });
  const url = await listen(server, options.listen);
  return {
    url,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of connections) socket.destroy();
      await closed;
    },
  };
}

type Failure = { status: number; body: Buffer };

function failureOf(error: unknown, { method, url = '' }: IncomingMessage, log: Logger): Failure {
  if (error instanceof EngineAnswer) return error;
  const path = url.replace(/\?.*/s, '').slice(0, 200);
  if (error instanceof Refusal) {
    log.warn({ method, path, reason: error.message }, 'Refused');
    return failure(403, `The engine guard refuses ${method} ${path}: ${error.message}.`);
  }
  log.error({ err: error, method, path }, 'A call of the engine failed');
  return failure(502, 'The engine guard cannot reach the engine.');
}

function failure(status: number, message: string): Failure {
  return { status, body: Buffer.from(JSON.stringify({ message })) };
}

/** Closes the connection after a refusal, since the rest of the request was not read. */
function answer(response: ServerResponse, { status, body }: Failure): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length };
  const wasRead = status !== 403;
  response.writeHead(status, wasRead ? headers : { ...headers, Connection: 'close' }).end(body);
}

function rawAnswer({ status, body }: Failure): Buffer {
  const head = [
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? 'Unknown'}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    'Connection: close',
    '\r\n',
  ];
  return Buffer.concat([Buffer.from(head.join('\r\n')), body]);
}

async function listen(server: http.Server, where: string): Promise<string> {
  const listening = new Promise<void>((resolve, reject) => {
    server.once('listening', resolve).once('error', reject);
  });
  if (where.startsWith('unix://')) {
    const file = where.slice('unix://'.length);
    // Left by a guard that was killed.
    if (fs.statSync(file, { throwIfNoEntry: false })?.isSocket()) fs.unlinkSync(file);
    server.listen(file);
    await listening;
    // Access to the socket is access to the agents.
    fs.chmodSync(file, 0o660);
    return where;
  }
  const { hostname, port } = new URL(where);
  server.listen(Number(port), hostname.replace(/^\[|\]$/g, ''));
  await listening;
  return `tcp://${hostname}:${(server.address() as AddressInfo).port}`;
}
