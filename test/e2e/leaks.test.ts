import { test } from 'vitest';
import { RUNTIMES } from '../setup/runtimes.ts';
import { departedClientsLeaveNothing, killedServersLeaveNothing } from './leak-watch.ts';

/** What each of them leaves behind is more than the slack. */
const SESSIONS = 6;
/** Servers and agents begin several times. */
const LIMIT = { timeout: 400_000 };

test.each(RUNTIMES)(
  'servers that were killed leave nothing in the $runtime runtime',
  LIMIT,
  ({ runtime }) => killedServersLeaveNothing(runtime, 1),
);

test('clients that left hold nothing of the server', LIMIT, () =>
  departedClientsLeaveNothing(SESSIONS),
);
