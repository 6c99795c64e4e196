import { once } from 'node:events';
import type { FastifyReply } from 'fastify';
import { AppError } from '../../errors.ts';
import { disconnectSignal } from '../http/disconnect.ts';

export type StreamedEvent = { id?: string; event: string; data: unknown };

/** Options of routes of event streams. No HEAD, which would wait for the end of the stream. */
export const EVENTS_ONLY = { sse: 'only', exposeHeadRoute: false } as const;

/** The open event streams of turns, agents and approvals, for {@link EVENTS_ONLY} routes. */
export class EventStreams {
  readonly #limit: number;
  readonly #patienceMs: number;
  #open = 0;

  /** `patienceMs` is how long a reader may read nothing while events wait. */
  constructor(limit: number, patienceMs: number) {
    this.#limit = limit;
    this.#patienceMs = patienceMs;
  }

  /**
   * Sends events to a reader at its pace, until they end or it leaves, at which the signal aborts.
   * Throws `too_many_readers`, or what `open` does, before anything is sent.
   */
  async send(
    reply: FastifyReply,
    open: (signal: AbortSignal) => AsyncIterable<StreamedEvent>,
  ): Promise<void> {
    const leave = this.enter();
    try {
      const signal = disconnectSignal(reply);
      await this.#sendAll(reply, signal, open(signal));
    } finally {
      leave();
    }
  }

  /** Counts a reader until the returned function is called. Throws `too_many_readers`. */
  enter(): () => void {
    const limit = this.#limit;
    if (this.#open >= limit) {
      const message = `${limit} streams of events are open, as many as may be.`;
      throw new AppError('too_many_readers', message, { data: { limit } });
    }
    this.#open += 1;
    return () => {
      this.#open -= 1;
    };
  }

  async #sendAll(
    reply: FastifyReply,
    signal: AbortSignal,
    events: AsyncIterable<StreamedEvent>,
  ): Promise<void> {
    reply.sse.sendHeaders();
    reply.raw.flushHeaders();
    for await (const event of events) {
      if (signal.aborted) return;
      // Not awaited: for a reader that disconnects meanwhile it would never resolve.
      reply.sse.send(event).catch(() => {});
      if (reply.raw.writableNeedDrain) await this.#taken(reply, signal);
    }
  }

  /** Resolves when the reader has read everything or has disconnected. */
  async #taken({ raw, log }: FastifyReply, left: AbortSignal): Promise<void> {
    const late = AbortSignal.timeout(this.#patienceMs);
    try {
      await once(raw, 'drain', { signal: AbortSignal.any([left, late]) });
    } catch {
      if (!late.aborted || left.aborted) return;
      log.warn({ unread_bytes: raw.writableLength }, 'slow reader of events dropped');
      raw.destroy();
    }
  }
}
