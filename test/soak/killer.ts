import { setTimeout as sleep } from 'node:timers/promises';
import type { Ledger } from './ledger.ts';
import type { RuntimeView } from './runtime-view.ts';
import { SeededRandom } from './seeded-random.ts';
import type { SoakServer } from './soak-server.ts';

const SHARE_OF_ORDERLY_ENDS = 0.3;

type KillerOptions = {
  seed: number;
  server: SoakServer;
  view: RuntimeView;
  ledger: Ledger;
  /** Seconds between two kills on average; 0: none. */
  serverEvery: number;
  containerEvery: number;
  until: AbortSignal;
};

/** Kills containers and the server at random moments. */
export async function killAtRandom(options: KillerOptions): Promise<void> {
  const { seed, server, view, ledger, serverEvery, containerEvery, until } = options;
  const random = new SeededRandom(seed + 1);
  await Promise.all([
    repeat(serverEvery, random, until, async () => {
      const orderly = random.next() < SHARE_OF_ORDERLY_ENDS;
      ledger.count(orderly ? 'server ended in order' : 'server killed');
      await server.restart(orderly ? 'SIGTERM' : 'SIGKILL');
    }),
    repeat(containerEvery, new SeededRandom(seed + 2), until, async (own) => {
      if (await view.killOne(own)) ledger.count('containers killed');
    }),
  ]);
}

async function repeat(
  everySeconds: number,
  random: SeededRandom,
  until: AbortSignal,
  task: (random: SeededRandom) => Promise<void>,
): Promise<void> {
  if (everySeconds === 0) return;
  while (!until.aborted) {
    const milliseconds = (0.5 + random.next()) * everySeconds * 1000;
    await sleep(milliseconds, undefined, { signal: until }).catch(() => undefined);
    if (!until.aborted) await task(random);
  }
}
