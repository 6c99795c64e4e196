import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { sequence } from '../fakes/stand-in-model/script.ts';
import { startStandInModel } from '../fakes/stand-in-model/stand-in-model.ts';
import { shell, text } from '../fakes/stand-in-model/step.ts';
import { freePort } from '../machine/free-port.ts';
import { startCodex } from './codex-app-server.ts';
import { startRig, TOKEN } from './rig.ts';

// Codex by itself gives up 27 s after the first connection that is reset.
test('a turn survives 35 seconds without the model', async () => {
  const port = await freePort();
  await using rig = await startRig({ upstreamUrl: `http://127.0.0.1:${port}/v1` });
  await using codex = await startCodex({ baseUrl: rig.url, token: TOKEN });
  const turn = codex.turn('Make a file.');
  await sleep(35_000);
  await using _model = await startStandInModel({
    port,
    script: sequence([shell('echo 4711 > made.txt'), text('Done.')]),
  });
  expect(await turn).toMatchObject({ status: 'completed', text: 'Done.' });
}, 60_000);
