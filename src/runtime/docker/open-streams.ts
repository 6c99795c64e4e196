import type { ExecStream } from './exec-stream.ts';

const LOOK_MS = 1000;

/**
 * The open exec streams of this server. The engine waits up to 20 seconds for output that nobody
 * takes before it holds a container for ended, so that one forgotten reader would delay each stop.
 */
export class OpenStreams {
  readonly #streams = new Map<string, Set<ExecStream>>();

  add(agentId: string, stream: ExecStream): void {
    const streams = this.#streams.get(agentId) ?? new Set();
    this.#streams.set(agentId, streams.add(stream));
    stream.once('close', () => {
      streams.delete(stream);
      if (streams.size === 0 && this.#streams.get(agentId) === streams) {
        this.#streams.delete(agentId);
      }
    });
  }

  /** Closes the streams of a container that is killed anyway. */
  close(agentId: string): void {
    for (const stream of this.#of(agentId)) stream.destroy();
  }

  /** While a container is being stopped, closes the streams that nobody reads. */
  async whileStopping<T>(agentId: string, stop: () => Promise<T>): Promise<T> {
    let stalled = this.#stalled(agentId);
    const look = setInterval(() => {
      const now = this.#stalled(agentId);
      for (const [stream, taken] of now) if (stalled.get(stream) === taken) stream.destroy();
      stalled = now;
    }, LOOK_MS);
    try {
      return await stop();
    } finally {
      clearInterval(look);
    }
  }

  /** The streams that hold output back, with how much was taken of it so far. */
  #stalled(agentId: string): Map<ExecStream, number> {
    return new Map(
      this.#of(agentId)
        .filter((stream) => stream.isHeldBack)
        .map((stream) => [stream, stream.receivedBytes]),
    );
  }

  #of(agentId: string): ExecStream[] {
    return [...(this.#streams.get(agentId) ?? [])];
  }
}
