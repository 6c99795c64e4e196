import type { AgentId } from '../../identity/agent-id.ts';
import type { ExecStream } from './exec-stream.ts';

const CHECK_MS = 1000;

/**
 * The open exec streams of this server. An engine waits up to 20 s for readers of the output before it
 * reports a container as stopped, so one unread stream would delay each stop.
 */
export class OpenStreams {
  readonly #streams = new Map<AgentId, Set<ExecStream>>();

  add(agentId: AgentId, stream: ExecStream): void {
    const streams = this.#streams.get(agentId) ?? new Set();
    this.#streams.set(agentId, streams.add(stream));
    stream.once('close', () => {
      streams.delete(stream);
      if (streams.size === 0 && this.#streams.get(agentId) === streams) {
        this.#streams.delete(agentId);
      }
    });
  }

  close(agentId: AgentId): void {
    for (const stream of this.#of(agentId)) stream.destroy();
  }

  /** Runs `stop`, and closes streams that are not read meanwhile. */
  async whileStopping<T>(agentId: AgentId, stop: () => Promise<T>): Promise<T> {
    let stalled = this.#stalled(agentId);
    const timer = setInterval(() => {
      const now = this.#stalled(agentId);
      for (const [stream, bytes] of now) if (stalled.get(stream) === bytes) stream.destroy();
      stalled = now;
    }, CHECK_MS);
    try {
      return await stop();
    } finally {
      clearInterval(timer);
    }
  }

  /** The paused streams, with the number of bytes received so far. */
  #stalled(agentId: AgentId): Map<ExecStream, number> {
    return new Map(
      this.#of(agentId)
        .filter((stream) => stream.isHeldBack)
        .map((stream) => [stream, stream.receivedBytes]),
    );
  }

  #of(agentId: AgentId): ExecStream[] {
    return [...(this.#streams.get(agentId) ?? [])];
  }
}
