import { getEventListeners } from 'node:events';
import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { drained } from '../../src/concurrency/drained.ts';

test('resolves when a stream that was full takes more', async () => {
  const { stream, take } = fullStream();
  const waiting = drained(stream);
  take();
  await waiting;
  expect(stream.writableNeedDrain).toBe(false);
});

test('resolves when a full stream is closed, or was before', async () => {
  const { stream } = fullStream();
  const waiting = drained(stream);
  stream.destroy();
  await waiting;
  await drained(stream);
});

test('rejects when the signal is aborted, and listens no more', async () => {
  const { stream } = fullStream();
  const leaving = new AbortController();
  const before = stream.listenerCount('close');
  const waiting = drained(stream, leaving.signal);
  leaving.abort();
  await expect(waiting).rejects.toThrow('abort');
  const listeners = ['drain', 'error'].map((event) => getEventListeners(stream, event).length);
  expect([...listeners, stream.listenerCount('close')]).toEqual([0, 0, before]);
});

function fullStream() {
  const { promise, resolve: take } = Promise.withResolvers<void>();
  const stream = new Writable({
    highWaterMark: 1,
    write: (_chunk, _encoding, done) => void promise.then(() => done()),
  });
  stream.write('full');
  return { stream, take };
}
