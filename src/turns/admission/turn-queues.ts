import PQueue from 'p-queue';
import type { Queues } from './turn-admission.ts';

/** One queue for each agent: its calls run one at a time, in their order. */
export class TurnQueues {
  readonly #queues = new Map<string, PQueue>();

  /** Runs work once all earlier work of the agent has ended. `signal` removes waiting work. */
  async add<T>(agentId: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const queue = this.#queues.get(agentId) ?? new PQueue({ concurrency: 1 });
    this.#queues.set(agentId, queue);
    try {
      return await queue.add(work, { ...(signal && { signal }) });
    } finally {
      if (queue.pending === 0 && queue.size === 0) this.#queues.delete(agentId);
    }
  }

  /** How many calls of an agent wait or run. */
  load(agentId: string): number {
    const queue = this.#queues.get(agentId);
    return queue ? queue.size + queue.pending : 0;
  }

  /** What is ahead of a further call of an agent. */
  ahead(agentId: string): Queues {
    const queue = this.#queues.get(agentId);
    const sizes = [...this.#queues.values()].map(({ size }) => size);
    const waitingInAll = sizes.reduce((sum, size) => sum + size, 0);
    return { busy: (queue?.pending ?? 0) > 0, waiting: queue?.size ?? 0, waitingInAll };
  }
}
