import { type EventEmitter, once } from 'node:events';

/** Resolves when a stream takes more, or is closed and takes nothing more. Rejects if `signal` is aborted before. */
export async function drained(
  stream: EventEmitter & { readonly destroyed: boolean },
  signal?: AbortSignal,
): Promise<void> {
  if (stream.destroyed) return;
  const done = new AbortController();
  const either = signal ? AbortSignal.any([signal, done.signal]) : done.signal;
  try {
    await Promise.race(['drain', 'close'].map((event) => once(stream, event, { signal: either })));
  } finally {
    done.abort();
  }
}
