import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTunnel } from '../../src/gateway/tunnel.ts';
import { sequence } from '../fakes/stand-in-model/script.ts';
import { http, shell, text } from '../fakes/stand-in-model/step.ts';
import { type CodexAppServer, startCodex } from './codex-app-server.ts';
import { log, REAL_KEY, startRig, startTunnelProgram, TOKEN } from './rig.ts';

const makes = (file: string) => sequence([shell(`echo 4711 > ${file}`), text('Done.')]);

describe('through tunnel and gateway', () => {
  let rig: Awaited<ReturnType<typeof startRig>>;
  let codex: CodexAppServer;
  beforeAll(async () => {
    rig = await startRig();
    codex = await startCodex({ baseUrl: rig.url, token: TOKEN });
  });
  afterAll(async () => {
    await codex?.[Symbol.asyncDispose]();
    await rig?.[Symbol.asyncDispose]();
  });

  test('Codex works and never sees the real key', async () => {
    rig.model.setScript(makes('made.txt'));
    const before = rig.model.requests.length;
    const meter = rig.gateway.startMetering('agent-1');
    expect(await codex.turn('Make a file.')).toMatchObject({ status: 'completed', text: 'Done.' });
    expect(meter.stop()).toMatchObject({ model_requests: 2, total_tokens: 2100 });
    const requests = rig.model.requests.slice(before);
    expect(requests).toHaveLength(2);
    for (const { headers } of requests) {
      expect(headers.authorization).toBe(`Bearer ${REAL_KEY}`);
    }
    const environment = await readFile(`/proc/${codex.pid}/environ`, 'utf8');
    expect(environment).toContain(TOKEN);
    expect(environment).not.toContain(REAL_KEY);
    const search = promisify(execFile)('grep', ['-rl', REAL_KEY, codex.home, codex.workspace]);
    await expect(search).rejects.toMatchObject({ code: 1, stdout: '' });
  });

  test('the workspace is not touched before the hold is over, and a failed hold fails the turn', async () => {
    rig.model.setScript(makes('held.txt'));
    const ready = Promise.withResolvers<void>();
    rig.gateway.hold('agent-1', ready.promise);
    const turn = codex.turn('Make a file.');
    await sleep(1000);
    await expect(readFile(`${codex.workspace}/held.txt`)).rejects.toMatchObject({ code: 'ENOENT' });
    ready.resolve();
    expect((await turn).status).toBe('completed');
    rig.gateway.hold('agent-1', Promise.reject(new Error('disk full')));
    const failedTurn = await codex.turn('Make another file.');
    expect(failedTurn.status).toBe('failed');
    expect(rig.gateway.lastFailure('agent-1')).toMatchObject({ status: 400, code: 'internal' });
    rig.gateway.hold('agent-1', Promise.resolve());
  });

  test('a rate limit does not fail a turn', async () => {
    let asked = 0;
    const limit = { error: { message: 'Slow down.', code: 'rate_limit_exceeded' } };
    rig.model.setScript((request) => {
      asked += 1;
      return asked % 2 === 1
        ? http(429, limit, { 'retry-after-ms': '50' })
        : makes('limited.txt')(request);
    });
    expect(await codex.turn('Make a file.')).toMatchObject({ status: 'completed', text: 'Done.' });
  });
});

test('a turn waits while the tunnel is away and goes on', async () => {
  await using rig = await startRig({ script: makes('late.txt') });
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
