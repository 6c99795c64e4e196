import { once } from 'node:events';
import http2 from 'node:http2';
import readline from 'node:readline';
import type { Duplex, Readable } from 'node:stream';
import pTimeout from 'p-timeout';
import type { Logger } from 'pino';
import { AppError } from '../errors.ts';
import type { ContainerProcess } from '../runtime/container-runtime.ts';

/** Flow-control window of one connection, the same on both ends. */
const WINDOW_BYTES = 1024 * 1024;
const FRAME_BYTES = 64 * 1024;
/** With Node's default of 10 MB, ten slow readers would block all connections. */
const SESSION_MEMORY_MEGABYTES = 256;
/** The tunnel program admits 256; connections that it just closed count here a moment longer. */
const MAX_CONNECTIONS = 320;
/** Longer than the tunnel program waits for the port of its predecessor. */
const START_TIMEOUT_MS = 30_000;
const LISTENING = 'listening';

export type TunnelOptions = {
  /** agent-image/tunnel.mjs, running in the container. */
  process: ContainerProcess;
  /** Called for every connection from the container. */
  onConnection: (socket: Duplex) => void;
  log: Logger;
};

/** Connections from one container to the gateway. */
export type Tunnel = {
  /** Settles when the tunnel is closed. Never rejects. */
  readonly closed: Promise<void>;
  /** Cuts all connections and ends the tunnel program. */
  close(): void;
};

/** Resolves when the container can connect. Throws `engine_failed` or `start_timeout`. */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const { stdio, stderr, exited } = options.process;
  const server = createServer(options);
  server.emit('connection', stdio);
  // A paused container does not end its programs, so the end of our stream counts too.
  const closed = Promise.race([exited, once(stdio, 'close').catch(() => undefined)]).then(() => {
    stdio.destroy();
  });
  try {
    await listening(stderr, exited, options.log);
    return { closed, close: () => void stdio.destroy() };
  } catch (error) {
    stdio.destroy();
    throw error;
  }
}

function createServer({ onConnection, log }: TunnelOptions): http2.Http2Server {
  const server = http2.createServer({
    settings: {
      initialWindowSize: WINDOW_BYTES,
      maxFrameSize: FRAME_BYTES,
      maxConcurrentStreams: MAX_CONNECTIONS,
    },
    maxSessionMemory: SESSION_MEMORY_MEGABYTES,
  });
  server.on('stream', (stream) => {
    stream.on('error', (error) => log.debug({ err: error }, 'connection through the tunnel broke'));
    stream.respond({ ':status': 200 });
    onConnection(stream);
  });
  server.on('sessionError', (error) => log.debug({ err: error }, 'tunnel broke'));
  return server;
}

async function listening(stderr: Readable, exited: Promise<unknown>, log: Logger): Promise<void> {
  const said: string[] = [];
  const ready = new Promise<void>((resolve) => {
    readline.createInterface({ input: stderr }).on('line', (line) => {
      if (line === LISTENING) return resolve();
      said.push(line);
      log.warn({ line }, 'tunnel program wrote an error');
    });
  });
  const ended = exited.then(() => {
    const reason = said.at(-1) ?? 'no reason given';
    throw new AppError('engine_failed', `The tunnel did not start: ${reason}.`);
  });
  await pTimeout(Promise.race([ready, ended]), {
    milliseconds: START_TIMEOUT_MS,
    message: new AppError('start_timeout', 'The tunnel did not start in time.'),
  });
}
