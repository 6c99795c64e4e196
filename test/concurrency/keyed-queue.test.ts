import { expect, test } from 'vitest';
import { KeyedQueue } from '../../src/concurrency/keyed-queue.ts';

test('tasks of a key run one after another, also past failures, and other keys wait for none', async () => {
  const queue = new KeyedQueue();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const done: string[] = [];
  const task = (name: string) => async () => {
    done.push(name);
  };
  const first = queue.add('a', async () => {
    await released;
    throw new Error('no');
  });
  const second = queue.add('a', task('second'));
  await queue.add('b', task('of b'));
  expect(done).toEqual(['of b']);
  expect(queue.load('a')).toBe(2);
  expect(queue.ahead('a')).toEqual({ busy: true, waiting: 1, waitingInAll: 1 });
  release();
  await expect(first).rejects.toThrow('no');
  await second;
  expect(done).toEqual(['of b', 'second']);
  expect(queue.ahead('a')).toEqual({ busy: false, waiting: 0, waitingInAll: 0 });
});

test('a task that waits is given up by its signal', async () => {
  const queue = new KeyedQueue();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const leaving = new AbortController();
  const first = queue.add('a', () => released);
  const ran: string[] = [];
  const second = queue.add('a', async () => ran.push('second'), leaving.signal);
  leaving.abort();
  await expect(second).rejects.toThrow('abort');
  release();
  await first;
  await queue.add('a', async () => undefined);
  expect(ran).toEqual([]);
});
