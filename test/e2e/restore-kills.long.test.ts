import { test } from 'vitest';
import { CHEAPEST } from '../setup/runtimes.ts';
import { killedRestoresAreWhole, PLACING_BEGINS, PLACING_ENDS } from './restore-kills.ts';

test.each(CHEAPEST)(
  'a server that is killed in a restore leaves all of it or nothing in the $runtime runtime',
  ({ runtime }) => killedRestoresAreWhole(runtime, [PLACING_BEGINS, PLACING_ENDS]),
);
