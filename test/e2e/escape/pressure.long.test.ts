import { afterAll, beforeAll, describe, inject } from 'vitest';
import { PATIENCE } from './gvisor.ts';
import { testsOfPressure } from './pressure.ts';
import { CONFINED, type Rig, startRig } from './rig.ts';

/** Apart from what else a malicious model tries: how fast others are is measured. */
describe.runIf(inject('engine').available)('a greedy model', PATIENCE, () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig(CONFINED);
  });
  afterAll(() => rig?.close());

  testsOfPressure(() => rig);
});
