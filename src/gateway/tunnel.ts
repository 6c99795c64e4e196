import { once } from 'node:events';
import http2 from 'node:http2';
import readline from 'node:readline';
import type { Duplex, Readable } from 'node:stream';
import pTimeout from 'p-timeout';
import type { Logger } from 'pino';
import { AppError } from '../errors.ts';
import type { ContainerProcess } from '../runtime/container-runtime.ts';

/** What may be on its way to a reader of one connection; the other end says the same. */
const WINDOW_BYTES = 1024 * 1024;
const FRAME_BYTES = 64 * 1024;
/** Node's own limit of 10 MB would refuse connections as soon as ten readers are slow. */
const SESSION_MEMORY_MEGABYTES = 256;
/** The program in the container admits 256; those it has just closed count here for a moment more. */
const MAX_CONNECTIONS = 320;
/** Longer than the program waits for the port of its predecessor. */
const START_TIMEOUT_MS = 30_000;
const LISTENING = 'listening';

export type TunnelOptions = {
  /** agent-image/tunnel.mjs, running in the container. */
  process: ContainerProcess;
  /** Receives every connection that a program of the container opens to the gateway. */
  onConnection: (socket: Duplex) => void;
  log: Logger;
};

/** The way from one container to the gateway. */
export type Tunnel = {
  /** Settles when nothing passes any more: connections are refused, or cut. Never rejects. */
  readonly closed: Promise<void>;
  /** Cuts all connections and ends the program in the container. */
  close(): void;
};

/** Resolves when the container can connect. Throws `engine_failed` or `start_timeout`. */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const { stdio, stderr, exited } = options.process;
  const server = createServer(options);
  server.emit('connection', stdio);
  // A frozen container does not end its programs; nothing passes once our end is closed.
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
