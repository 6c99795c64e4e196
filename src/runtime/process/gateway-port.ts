import net from 'node:net';
import { AppError } from '../../errors.ts';

/** Below the ephemeral ports, so that the port of a stopped agent stays free. */
const FIRST = 20_000;
const COUNT = 10_000;

/** A free loopback port: the same for the same seed, unless it is in use. */
export async function chooseGatewayPort(seed: string, taken: ReadonlySet<number>): Promise<number> {
  const start = Number.parseInt(seed.slice(0, 8), 16);
  for (let step = 0; step < COUNT; step += 1) {
    const port = FIRST + ((start + step) % COUNT);
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new AppError('engine_failed', 'This machine has no free port for the agent.');
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
