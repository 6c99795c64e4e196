import { expect, test } from 'vitest';
import { GVISOR_ROOM } from '../../machine/oci-runtime.ts';
import { commandOf } from './attempt.ts';
import { expectDenied } from './denied.ts';
import { GVISOR_PATIENCE, gvisor, inGvisor, isGvisor } from './gvisor.ts';
import { ATTACKER, environmentOf, startRig } from './rig.ts';
import { VSOCK, WALLS } from './walls.ts';

if (!gvisor) process.stderr.write('[gvisor] skipped: the engine has no runtime runsc\n');

/** The rest is about the server; all of it runs there where `CONTAINER_RUNTIME` says so. */
test.runIf(gvisor && !isGvisor)(
  'a malicious model finds the same walls in gVisor',
  GVISOR_PATIENCE,
  async () => {
    const rig = await startRig({
      CONTAINER_RUNTIME: gvisor ?? '',
      PAUSE_TIMEOUT: '0',
      ...GVISOR_ROOM,
    });
    try {
      const env = environmentOf(rig);
      expect(await rig.sh(ATTACKER, 'cat /proc/version')).toMatch(/Linux version 4\.4\.0/);
      for (const attempts of [...Object.values(WALLS), [VSOCK]]) {
        expectDenied(inGvisor(attempts), await rig.sh(ATTACKER, commandOf(attempts, env)));
      }
    } finally {
      await rig.close();
    }
  },
);
