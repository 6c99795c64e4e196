import { describe, inject, test } from 'vitest';
import { killedContainersGoOn } from './killed-container.ts';

/** KILL_ROUNDS=100 for a longer run. */
const ROUNDS = Number(process.env.KILL_ROUNDS ?? 6);

describe.runIf(inject('engine').available)(
  'a container that is killed at any moment of a turn',
  () => {
    test(
      'ends it with a reason, and the next call has the files and the conversation',
      {
        timeout: 900_000 + ROUNDS * 15_000,
      },
      () => killedContainersGoOn(ROUNDS),
    );
  },
);
