import net, { type AddressInfo, type Socket } from 'node:net';

/** A way to the engine over which it does not hear that a client is gone, as over a network. */
export type EngineRelay = AsyncDisposable & {
  /** For DOCKER_HOST. */
  url: string;
  /** From now on the engine is told nothing of the present connections any more. */
  loseClients(): void;
};

export async function startEngineRelay(socketPath = '/var/run/docker.sock'): Promise<EngineRelay> {
  const engineSides = new Set<Socket>();
  let lost = new Set<Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const engine = net.connect({ path: socketPath, allowHalfOpen: true });
    engineSides.add(engine);
    const unlessLost = (act: () => void) => () => {
      if (!lost.has(engine)) act();
    };
    client.on('data', (chunk) => void engine.write(chunk));
    client.on(
      'end',
      unlessLost(() => void engine.end()),
    );
    client.on(
      'close',
      unlessLost(() => void engine.destroy()),
    );
    client.on('error', () => undefined);
    engine.on('data', (chunk) => void (client.writable && client.write(chunk)));
    engine.on('end', () => client.end());
    engine.on('close', () => client.destroy());
    engine.on('error', () => client.destroy());
    engine.on('close', () => engineSides.delete(engine));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `tcp://127.0.0.1:${port}`,
    loseClients: () => {
      lost = new Set([...lost, ...engineSides]);
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const engine of engineSides) engine.destroy();
      await closed;
    },
  };
}
