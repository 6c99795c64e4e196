import { test } from 'vitest';
import { manyAgentsLeaveNothing } from './cancelled-agents.ts';

test(
  'nothing is left of many agents whose turns are cancelled at random',
  { timeout: 400_000 },
  () => manyAgentsLeaveNothing(8),
);
