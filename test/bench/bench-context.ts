import type Docker from 'dockerode';
import type { ModelProbe } from './model-probe.ts';

/** What every measurement gets. */
export type BenchContext = {
  /** Undefined where there is no engine. */
  docker: Docker | undefined;
  model: ModelProbe;
  /** Ends and removes everything, also when the run is interrupted. */
  cleanup: AsyncDisposableStack;
  /** Aborted by Ctrl-C: nothing may be made any more. */
  interrupted: AbortSignal;
  rounds: number;
  /** How many work when the server is killed. */
  agents: number;
};

/** Runs a measurement with a stack of its own, which is emptied at its end, or earlier by Ctrl-C. */
export async function withOwnCleanup<T>(
  context: BenchContext,
  measure: (own: BenchContext) => Promise<T>,
): Promise<T> {
  const cleanup = context.cleanup.use(new AsyncDisposableStack());
  try {
    return await measure({ ...context, cleanup });
  } finally {
    await cleanup.disposeAsync();
  }
}
