import { inject, test } from 'vitest';
import { CHEAPEST } from '../setup/runtimes.ts';
import {
  AFTER_COMMIT,
  BEFORE_COMMIT,
  killedContainersLoseNoWork,
  killedServersMakeOneCommit,
} from './commit-kills.ts';

test.each(CHEAPEST)(
  'a server that is killed while a turn becomes a commit has made one in the end, in the $runtime runtime',
  ({ runtime }) => killedServersMakeOneCommit(runtime, [BEFORE_COMMIT, AFTER_COMMIT]),
);

test.runIf(inject('engine').available)(
  'what a turn did whose container is killed while it becomes a commit is in one before the next',
  () => killedContainersLoseNoWork([BEFORE_COMMIT, AFTER_COMMIT]),
);
