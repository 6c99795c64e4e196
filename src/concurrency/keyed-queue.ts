import PQueue from 'p-queue';

/** Runs tasks of the same key one after another, in the order in which they came. */
export class KeyedQueue<Key extends string> {
  readonly #queues = new Map<Key, PQueue>();

  /** Runs a task once all earlier ones of its key have ended. Aborting gives up one that waits. */
  async add<T>(key: Key, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const queue = this.#queues.get(key) ?? new PQueue({ concurrency: 1 });
    this.#queues.set(key, queue);
    try {
      return await queue.add(task, { ...(signal && { signal }) });
    } finally {
      if (queue.pending === 0 && queue.size === 0) this.#queues.delete(key);
    }
  }

  /** Tasks of a key that wait or run. */
  load(key: Key): number {
    const queue = this.#queues.get(key);
    return queue ? queue.size + queue.pending : 0;
  }

  /** What a further task of a key would meet. */
  ahead(key: Key): { busy: boolean; waiting: number; waitingInAll: number } {
    const queue = this.#queues.get(key);
    const sizes = [...this.#queues.values()].map(({ size }) => size);
    const waitingInAll = sizes.reduce((sum, size) => sum + size, 0);
    return { busy: (queue?.pending ?? 0) > 0, waiting: queue?.size ?? 0, waitingInAll };
  }
}
