import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, inject, test } from 'vitest';
import { ContainerLink } from '../../../src/agents/links/container-link.ts';
import { AgentsRig } from '../agents-rig.ts';

const engine = inject('engine');
const COUNT_TUNNELS =
  'cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -o "node /[^ ]*tunnel.mjs" | wc -l';

test.runIf(engine.available)(
  'connections end with their container, and the next one is not touched by them',
  async () => {
    await using rig = await AgentsRig.start('docker');
    const { runtime } = rig;
    const agentId = 'a';
    await runtime.create({ agentId, env: { CODEX_GATEWAY_TOKEN: 'made by hand' } });
    await runtime.start(agentId);
    const log = pino({ level: 'silent' });
    const times = { startTimeoutMs: 60_000, answerTimeoutMs: 60_000 };
    const options = { runtime, agentId, ...times, version: '0.0.0-test', log };
    const first = await ContainerLink.open(options);
    const { id = '' } = (await runtime.inspect(agentId)) ?? {};
    await rig.docker.getContainer(id).kill();
    await first.codex.closed;
    await expect.poll(() => rig.stateOf(agentId)).toBe('stopped');
    await runtime.start(agentId);
    // Nobody closed the first; a tunnel that went on would be here by now.
    await sleep(1500);
    expect(Number(await rig.shell(agentId, COUNT_TUNNELS))).toBe(0);
    const second = await ContainerLink.open(options);
    expect(Number(await rig.shell(agentId, COUNT_TUNNELS))).toBe(1);
    await second.close();
  },
);
