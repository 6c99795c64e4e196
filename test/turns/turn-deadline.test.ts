import { expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { TurnDeadline } from '../../src/turns/turn-deadline.ts';

const never = () => new Promise<string>(() => undefined);

function deadline(seconds = 60) {
  const caller = new AbortController();
  const shutdown = new AbortController();
  const made = new TurnDeadline({ seconds, caller: caller.signal, shutdown: shutdown.signal });
  return { made, caller, shutdown };
}

test('what is done in time is handed on, failures too', async () => {
  using made = deadline().made;
  expect(await made.race(Promise.resolve('done'))).toBe('done');
  await expect(made.race(Promise.reject(new Error('broken')))).rejects.toThrow('broken');
});

test('time runs out with the number of seconds', async () => {
  using made = deadline(0.02).made;
  await expect(made.race(never())).rejects.toMatchObject({
    code: 'turn_timeout',
    data: { timeout_seconds: 0.02 },
  });
});

test('the first cause stays the cause', async () => {
  const { made, caller, shutdown } = deadline();
  caller.abort();
  shutdown.abort(new AppError('shutting_down', 'Bye.'));
  await expect(made.race(never())).rejects.toMatchObject({ code: 'cancelled' });
  made[Symbol.dispose]();
});

test('a caller who left before the start is noticed', async () => {
  const caller = AbortSignal.abort();
  using made = new TurnDeadline({ seconds: 9, caller, shutdown: new AbortController().signal });
  await expect(made.race(Promise.resolve('late'))).rejects.toMatchObject({ code: 'cancelled' });
});

test('a stop of the server is told with the reason of the stop', async () => {
  const { made, shutdown } = deadline();
  shutdown.abort(new AppError('shutting_down', 'Bye.'));
  await expect(made.race(never())).rejects.toMatchObject({ code: 'shutting_down' });
  made[Symbol.dispose]();
});
