import { expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { TurnDeadline, untilStarted } from '../../src/turns/turn-deadline.ts';

const never = () => new Promise<string>(() => undefined);

test('what is done in time is handed on, failures too', async () => {
  using deadline = new TurnDeadline(60);
  expect(await deadline.race(Promise.resolve('done'))).toBe('done');
  await expect(deadline.race(Promise.reject(new Error('broken')))).rejects.toThrow('broken');
});

test('time runs out with the number of seconds', async () => {
  using deadline = new TurnDeadline(0.02);
  await expect(deadline.race(never())).rejects.toMatchObject({
    code: 'turn_timeout',
    data: { timeout_seconds: 0.02 },
  });
  expect(deadline.isLate).toBe(true);
});

test('the first reason stays the reason', async () => {
  using deadline = new TurnDeadline(60);
  deadline.abort(new AppError('cancelled', 'The call was cancelled.'));
  deadline.abort(new AppError('shutting_down', 'Bye.'));
  await expect(deadline.race(never())).rejects.toMatchObject({ code: 'cancelled' });
  await expect(deadline.race(Promise.resolve('late'))).rejects.toMatchObject({ code: 'cancelled' });
  expect(deadline.isLate).toBe(false);
});

test('work that has started is waited for beyond the deadline, other work is not', async () => {
  using deadline = new TurnDeadline(60);
  const work = Promise.withResolvers<string>();
  const started = untilStarted(deadline, work.promise, () => true);
  const waiting = untilStarted(deadline, work.promise, () => false);
  deadline.abort(new AppError('cancelled', 'The call was cancelled.'));
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  work.resolve('in order');
  expect(await started).toBe('in order');
});
