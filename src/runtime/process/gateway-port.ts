import net from 'node:net';
import { AppError } from '../../errors.ts';

/** Below the ports which kernels give to outgoing connections, so that a port stays free between starts. */
const FIRST = 20_000;
const COUNT = 10_000;

/** A free port of the loopback, always the same for a seed unless it is taken. */
export async function chooseGatewayPort(seed: string, taken: ReadonlySet<number>): Promise<number> {
  const start = Number.parseInt(seed.slice(0, 8), 16);
  for (let step = 0; step < COUNT; step += 1) {
    const port = FIRST + ((start + step) % COUNT);
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new AppError('engine_failed', 'No port of this machine is free for the agent.');
}

export async function isFree(port: number): Promise<boolean> {
  const server = net.createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, host: '127.0.0.1', exclusive: true }, resolve);
    });
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
