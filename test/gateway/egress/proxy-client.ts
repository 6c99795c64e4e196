import { once } from 'node:events';
import net from 'node:net';

export type Opened = { socket: net.Socket; status: number };

/** Sends CONNECT as curl and npm do; the host has not spoken yet when it resolves. */
export async function openTunnelTo(port: number, target: string): Promise<Opened> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => undefined);
  const secret = 'proxy-authorization: Basic c2VjcmV0';
  socket.write(`CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\n${secret}\r\n\r\n`);
  let head = '';
  while (!head.includes('\r\n\r\n')) {
    await once(socket, 'readable');
    for (let byte = socket.read(1); byte !== null; byte = socket.read(1)) {
      head += byte;
      if (head.endsWith('\r\n\r\n')) break;
    }
  }
  return { socket, status: Number(head.split(' ')[1]) };
}

/** The answer with which CONNECT is refused. */
export async function refusalOf(port: number, target: string): Promise<string> {
  const socket = net.connect({ host: '127.0.0.1', port });
  socket.write(`CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\n\r\n`);
  return readAll(socket);
}

/** Everything until the other end closes its half. */
export async function readAll(socket: net.Socket): Promise<string> {
  let received = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) received += chunk;
  return received;
}

/** Resolves with how a connection broke, or with undefined if it ended in order. */
export function closed(socket: net.Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    const told = () => {
      const { errored } = socket;
      resolve(errored && 'code' in errored ? String(errored.code) : errored?.message);
    };
    if (socket.closed) told();
    else socket.resume().once('close', told);
  });
}
