import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const ROUNDS = 3;

/** Bytes of this process that are still in use after the garbage was collected. */
export async function heapUsed(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect !== 'function') throw new Error('No garbage collector.');
  for (let round = 0; round < ROUNDS; round += 1) {
    await delay(20);
    collect();
  }
  return process.memoryUsage().heapUsed;
}
