import PQueue from 'p-queue';
import type { BenchContext } from './bench-context.ts';

const AT_ONCE = 8;

/** Does something with each, a few at the same time; starts nothing more after Ctrl-C. */
export function someAtOnce<T, R>(
  all: readonly T[],
  { interrupted }: BenchContext,
  task: (one: T) => Promise<R>,
): Promise<R[]> {
  const queue = new PQueue({ concurrency: AT_ONCE });
  return queue.addAll(
    all.map((one) => () => {
      interrupted.throwIfAborted();
      return task(one);
    }),
  );
}
