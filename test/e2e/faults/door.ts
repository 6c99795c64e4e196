import net from 'node:net';

/** A way over TCP to a server, which can be cut or shut. */
export type Door = AsyncDisposable & {
  readonly port: number;
  /** Breaks all connections; new ones are let through. */
  cut(): void;
  /** Breaks all connections and refuses new ones. */
  shut(): Promise<void>;
  open(): Promise<void>;
};

/** `target` is a path of a socket or a port of this machine. */
export async function openDoor(target: string | number): Promise<Door> {
  const sockets = new Set<net.Socket>();
  // A program whose input has ended may have much to say still.
  const halfOpen = { allowHalfOpen: true };
  const server = net.createServer(halfOpen, (near) => {
    const place = typeof target === 'string' ? { path: target } : { port: target };
    const far = net.connect({ ...place, ...halfOpen });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    near.pipe(far).pipe(near);
  });
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address() as net.AddressInfo;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const shut = async () => {
    cut();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port, cut, shut, open: () => listen(port), [Symbol.asyncDispose]: shut };
}
