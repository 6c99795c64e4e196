import { afterAll, beforeAll, describe, inject } from 'vitest';
import { PATIENCE } from './gvisor.ts';
import { CONFINED, type Rig, startRig } from './rig.ts';
import { testsOfForgeries } from './tampering.ts';

describe.runIf(inject('engine').available)('a malicious tunnel', PATIENCE, () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig(CONFINED);
  });
  afterAll(() => rig?.close());

  testsOfForgeries(() => rig);
});
