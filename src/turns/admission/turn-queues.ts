import PQueue from 'p-queue';
import type { Queues } from './turn-admission.ts';

/** Who waits for which agent: one at a time works with each, in the order of the calls. */
export class TurnQueues {
  readonly #queues = new Map<string, PQueue>();

  /** Does the work once all earlier work of the agent has ended. Aborting gives up a place that waits. */
  async add<T>(agentId: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const queue = this.#queues.get(agentId) ?? new PQueue({ concurrency: 1 });
    this.#queues.set(agentId, queue);
    try {
      return await queue.add(work, { ...(signal && { signal }) });
    } finally {
      if (queue.pending === 0 && queue.size === 0) this.#queues.delete(agentId);
    }
  }

  /** Calls that wait or run for an agent. */
  load(agentId: string): number {
    const queue = this.#queues.get(agentId);
    return queue ? queue.size + queue.pending : 0;
  }

  /** What a further call of an agent would meet. */
  ahead(agentId: string): Queues {
    const queue = this.#queues.get(agentId);
    const sizes = [...this.#queues.values()].map(({ size }) => size);
    const waitingInAll = sizes.reduce((sum, size) => sum + size, 0);
    return { busy: (queue?.pending ?? 0) > 0, waiting: queue?.size ?? 0, waitingInAll };
  }
}
