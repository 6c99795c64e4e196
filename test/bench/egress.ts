import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { PUBLIC_ADDRESS } from '../gateway/egress/egress-rig.ts';
import { openTunnelTo } from '../gateway/egress/proxy-client.ts';
import { startRig } from '../gateway/rig.ts';
import { type BenchContext, withOwnCleanup } from './bench-context.ts';
import type { Section } from './section.ts';

const MEBIBYTE = 1024 * 1024;
const SIZE = 64 * MEBIBYTE;
/** Each moves 64 MiB. */
const SHARE_OF_ROUNDS = 1 / 4;
const DIRECT = 'direct, over loopback';
const THROUGH = 'CONNECT through the tunnel';

/** What a download costs on its way through the tunnel and the gateway. */
export function measureEgress(context: BenchContext): Promise<Section[]> {
  return withOwnCleanup(context, async ({ cleanup, rounds, interrupted }) => {
    const port = await startSource(cleanup);
    const connect = () => net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    const dialer = { resolve: async () => [PUBLIC_ADDRESS], connect };
    const rig = cleanup.use(
      await startRig({ out: { environment: { EGRESS_ALLOW: 'source.test' }, dialer } }),
    );
    const ways = {
      [DIRECT]: async () => connect(),
      [THROUGH]: async () => (await openTunnelTo(rig.port, 'source.test:443')).socket,
    };
    const samples: Record<string, number[]> = { [DIRECT]: [], [THROUGH]: [] };
    for (const open of Object.values(ways)) await download(open);
    for (let round = 0; round < Math.max(1, rounds * SHARE_OF_ROUNDS); round += 1) {
      for (const [name, open] of Object.entries(ways)) {
        interrupted.throwIfAborted();
        samples[name]?.push(await download(open));
      }
    }
    const rows = Object.entries(samples).map(([name, taken]) => ({ name, samples: taken }));
    const title = `Egress: a download of ${SIZE / MEBIBYTE} MiB`;
    return [{ title, unit: 'ms', rows, baseline: DIRECT }];
  });
}

/** A server that sends so much to everybody who says something. */
async function startSource(cleanup: AsyncDisposableStack): Promise<number> {
  const block = Buffer.alloc(MEBIBYTE, 'x');
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => void send(socket, block));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanup.defer(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function send(socket: net.Socket, block: Buffer): Promise<void> {
  for (let sent = 0; sent < SIZE; sent += block.length) {
    if (!socket.write(block)) await once(socket, 'drain');
  }
  socket.end();
}

async function download(open: () => Promise<net.Socket>): Promise<number> {
  const began = performance.now();
  const socket = await open();
  socket.end('go');
  let received = 0;
  for await (const chunk of socket) received += chunk.length;
  if (received !== SIZE) throw new Error(`${received} of ${SIZE} bytes came.`);
  return performance.now() - began;
}
