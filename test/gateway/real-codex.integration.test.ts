import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { openTunnel } from '../../src/gateway/tunnel.ts';
import { sequence } from '../fakes/stand-in-model/script.ts';
import { startStandInModel } from '../fakes/stand-in-model/stand-in-model.ts';
import { http, shell, text } from '../fakes/stand-in-model/step.ts';
import { freePort } from '../machine/free-port.ts';
import { startCodex } from './codex-app-server.ts';
import { log, REAL_KEY, startRig, startTunnelProgram, TOKEN } from './rig.ts';

const SHELL_THEN_DONE = sequence([shell('echo 4711 > made.txt'), text('Done.')]);

test('Codex works through tunnel and gateway and never sees the real key', async () => {
  await using rig = await startRig({ script: SHELL_THEN_DONE });
  await using codex = await startCodex({ baseUrl: rig.url, token: TOKEN });
  const meter = rig.gateway.startMetering('agent-1');
  expect(await codex.turn('Make a file.')).toMatchObject({ status: 'completed', text: 'Done.' });
  expect(meter.stop()).toMatchObject({ model_requests: 2, total_tokens: 2100 });
  expect(rig.model.requests).toHaveLength(2);
  for (const { headers } of rig.model.requests) {
    expect(headers.authorization).toBe(`Bearer ${REAL_KEY}`);
  }
  const environment = await readFile(`/proc/${codex.pid}/environ`, 'utf8');
  expect(environment).toContain(TOKEN);
  expect(environment).not.toContain(REAL_KEY);
  const search = promisify(execFile)('grep', ['-rl', REAL_KEY, codex.home, codex.workspace]);
  await expect(search).rejects.toMatchObject({ code: 1, stdout: '' });
});

test('a turn waits while the tunnel is away and goes on', async () => {
  await using rig = await startRig({ script: SHELL_THEN_DONE });
  await using codex = await startCodex({ baseUrl: rig.url, token: TOKEN });
  rig.program.kill();
  await rig.tunnel.closed;
  const turn = codex.turn('Make a file.');
  await sleep(2000);
  const program = startTunnelProgram(rig.port);
  const onConnection = rig.gateway.attach.bind(rig.gateway, 'agent-1');
  const tunnel = await openTunnel({ process: program, onConnection, log });
  expect(await turn).toMatchObject({ status: 'completed', text: 'Done.' });
  tunnel.close();
  await program.exited;
});

// Codex by itself gives up 27 s after the first connection that is reset.
test('a turn survives 35 seconds without the model', async () => {
  const port = await freePort();
  await using rig = await startRig({ upstreamUrl: `http://127.0.0.1:${port}/v1` });
  await using codex = await startCodex({ baseUrl: rig.url, token: TOKEN });
  const turn = codex.turn('Make a file.');
  await sleep(35_000);
  await using _model = await startStandInModel({ port, script: SHELL_THEN_DONE });
  expect(await turn).toMatchObject({ status: 'completed', text: 'Done.' });
}, 60_000);

test('the workspace is not touched before the hold is over, and a failed hold fails the turn', async () => {
  await using rig = await startRig({ script: SHELL_THEN_DONE });
  await using codex = await startCodex({ baseUrl: rig.url, token: TOKEN });
  const ready = Promise.withResolvers<void>();
  rig.gateway.hold('agent-1', ready.promise);
  const turn = codex.turn('Make a file.');
  await sleep(1000);
  await expect(readFile(`${codex.workspace}/made.txt`)).rejects.toMatchObject({ code: 'ENOENT' });
  ready.resolve();
  expect((await turn).status).toBe('completed');
  rig.gateway.hold('agent-1', Promise.reject(new Error('disk full')));
  const failedTurn = await codex.turn('Make another file.');
  expect(failedTurn.status).toBe('failed');
  expect(rig.gateway.lastFailure('agent-1')).toMatchObject({ status: 400, code: 'internal' });
});

test('a rate limit does not fail a turn', async () => {
  let asked = 0;
  const limit = { error: { message: 'Slow down.', code: 'rate_limit_exceeded' } };
  await using rig = await startRig({
    script: (request) => {
      asked += 1;
      return asked % 2 === 1
        ? http(429, limit, { 'retry-after-ms': '50' })
        : SHELL_THEN_DONE(request);
    },
  });
  await using codex = await startCodex({ baseUrl: rig.url, token: TOKEN });
  expect(await codex.turn('Make a file.')).toMatchObject({ status: 'completed', text: 'Done.' });
});
