import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { runsOnce } from '../../fakes/stand-in-model/script.ts';
import { startStandInModel } from '../../fakes/stand-in-model/stand-in-model.ts';
import { CHEAPEST } from '../../setup/runtimes.ts';
import { call, connect, REAL_KEY, startTestServer } from '../test-server.ts';

/** FAULT_OUTAGE_SECONDS=60 for the minute that people speak of. */
const OUTAGE_SECONDS = Number(process.env.FAULT_OUTAGE_SECONDS ?? 5);

describe.each(CHEAPEST)(
  'a model that refuses connections in the $runtime runtime',
  ({ runtime }) => {
    test(`for ${OUTAGE_SECONDS} s in the middle of a turn is waited for, and the turn completes`, {
      timeout: (300 + OUTAGE_SECONDS) * 1000,
    }, async () => {
      const script = runsOnce('sleep 1; echo done > done.txt');
      await using target = await startTestServer({ runtime, script });
      await using client = await connect(target);
      const running = call(client, 'implement', { task: 'x', agent_id: 'a' });
      running.catch(() => undefined);
      await expect.poll(() => client.progress.join()).toContain('sleep 1');
      await target.model.close();
      await sleep(OUTAGE_SECONDS * 1000);
      const { port } = target.model;
      await using back = await startStandInModel({ port, apiKey: REAL_KEY, script });
      expect((await running).changes).toMatchObject([{ file: 'done.txt' }]);
      expect(back.requests).toHaveLength(1);
    });
  },
);
