import { once } from 'node:events';
import net from 'node:net';
import { text } from 'node:stream/consumers';

/** A client that sends and reads as it likes. */
type RawClient = AsyncDisposable & {
  /** Sends a piece every so often, until the connection ends. */
  drip(piece: string, everyMs: number): void;
  /** All that came, once the server has closed the connection. */
  all(): Promise<string>;
};

type RawRequest = { method?: string; headers?: Record<string, string>; body?: string };

/** Sends the head of a request and what of its body is given; reads nothing unless asked to. */
export async function sendRaw(
  target: string,
  { method = 'GET', headers = {}, body = '' }: RawRequest = {},
): Promise<RawClient> {
  const { hostname, port, pathname, search } = new URL(target);
  const socket = net.connect(Number(port), hostname);
  await once(socket, 'connect');
  // One that is reset ends what came.
  socket.on('error', () => undefined);
  const lines = Object.entries({ host: 'localhost', ...headers }).map((pair) => pair.join(': '));
  const head = [`${method} ${pathname}${search} HTTP/1.1`, ...lines].join('\r\n');
  socket.write(`${head}\r\n\r\n${body}`);
  let timer: NodeJS.Timeout | undefined;
  return {
    drip(piece, everyMs) {
      timer = setInterval(() => socket.write(piece), everyMs);
    },
    all: () => text(socket).catch(() => ''),
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      socket.destroy();
    },
  };
}
