import { EventSourceParserStream } from 'eventsource-parser/stream';

export type ReadEvent = { event: string | undefined; data: Record<string, unknown> };

/** An event stream as it comes; disposal leaves it. */
export type EventReader = AsyncDisposable & {
  /** What has come so far. */
  readonly events: readonly ReadEvent[];
  /** Settles when the server ends the stream. */
  readonly ended: Promise<void>;
};

/** Opens an event stream. Throws unless the server answers with one. */
export async function readEvents(
  url: string,
  headers: Record<string, string> = {},
): Promise<EventReader> {
  const left = new AbortController();
  const response = await fetch(url, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: left.signal,
  });
  if (!response.ok || !response.body) throw new Error(`HTTP ${response.status} of ${url}`);
  const events: ReadEvent[] = [];
  const read = async (body: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    const parsed = body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream());
    for await (const { event, data } of parsed) events.push({ event, data: JSON.parse(data) });
  };
  const ended = read(response.body).catch(() => undefined);
  return {
    events,
    ended,
    async [Symbol.asyncDispose]() {
      left.abort();
      await ended;
    },
  };
}
