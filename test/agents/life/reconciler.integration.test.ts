import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, test } from 'vitest';
import { LABELS } from '../../../src/runtime/docker/labels.ts';
import { CHEAPEST } from '../../setup/runtimes.ts';
import { AgentsRig } from '../agents-rig.ts';

const engine = inject('engine');
const env = { CODEX_GATEWAY_TOKEN: 'made by hand' };

describe.each(CHEAPEST)('reconciling agents in the $runtime runtime', ({ runtime: kind }) => {
  test('the place of a container that was stopped or removed by hand is freed', async () => {
    await using rig = await AgentsRig.start(kind, { MAX_CONCURRENT_SESSIONS: '2' });
    await rig.use('stopped');
    await rig.use('removed');
    await rig.restart();
    await rig.runtime.stop('stopped', { graceSeconds: 0 });
    await rig.runtime.remove('removed', { volumes: false });
    expect(rig.agents.counts().active).toBe(2);
    await rig.agents.reconcile();
    expect(rig.agents.counts().active).toBe(0);
    await rig.use('removed');
    expect(rig.agents.statusOf('removed')).toBe('idle');
  });

  test('the place of a paused agent whose container was killed is freed', async () => {
    await using rig = await AgentsRig.start(kind);
    await rig.use('a');
    await rig.agents.transition('pause', 'a');
    await rig.runtime.stop('a', { graceSeconds: 0 });
    await rig.agents.reconcile();
    expect(rig.agents.statusOf('a')).toBe('stopped');
    await rig.use('a');
  });

  test('a container that was started by hand gets a place, so that it is reaped', async () => {
    await using rig = await AgentsRig.start(kind);
    await rig.use('a');
    await rig.agents.transition('stop', 'a');
    await rig.runtime.start('a');
    expect(rig.agents.statusOf('a')).toBe('stopped');
    await rig.agents.reconcile();
    expect(rig.agents.statusOf('a')).toBe('idle');
    await rig.agents.transition('stop', 'a');
    expect(await rig.stateOf('a')).toBe('stopped');
  });

  test('a container that was paused or resumed by hand is seen as it is', async () => {
    await using rig = await AgentsRig.start(kind);
    await rig.use('a');
    await rig.runtime.pause('a');
    await rig.agents.reconcile();
    expect(rig.agents.statusOf('a')).toBe('paused');
    await rig.use('a');
    await rig.agents.transition('pause', 'a');
    await rig.runtime.start('a');
    await rig.agents.reconcile();
    expect(rig.agents.statusOf('a')).toBe('idle');
  });

  test('what unknown agents left is removed: containers at once, volumes when they are old', async () => {
    await using rig = await AgentsRig.start(kind, { ORPHAN_TIMEOUT: '3' });
    await rig.use('known');
    const known = await rig.leftBehind();
    await rig.runtime.create({ agentId: 'unknown', env });
    await rig.runtime.start('unknown');
    await rig.agents.reconcile();
    expect((await rig.runtime.list()).map(({ agentId }) => agentId)).toEqual(['known']);
    expect((await rig.leftBehind()).length).toBeGreaterThan(known.length);
    await sleep(3500);
    await rig.agents.reconcile();
    expect(await rig.leftBehind()).toEqual(known);
    await rig.use('known');
  });

  test('the volumes of archived agents, and of no installation of ours, stay', async () => {
    await using rig = await AgentsRig.start(kind, { ORPHAN_TIMEOUT: '1' });
    await using other = await AgentsRig.start(kind);
    await rig.use('archived');
    await rig.agents.transition('archive', 'archived');
    await other.runtime.create({ agentId: 'foreign', env });
    const [ours, theirs] = [await rig.leftBehind(), await other.leftBehind()];
    await sleep(2000);
    await rig.agents.reconcile();
    expect([await rig.leftBehind(), await other.leftBehind()]).toEqual([ours, theirs]);
    expect(ours.length).toBeGreaterThan(0);
    expect(await other.runtime.inspect('foreign')).toBeDefined();
    await other.runtime.remove('foreign', { volumes: true });
  });

  test('volumes of unknown agents stay if their removal is switched off', async () => {
    await using rig = await AgentsRig.start(kind, { ORPHAN_TIMEOUT: '0' });
    await rig.runtime.create({ agentId: 'unknown', env });
    await rig.agents.reconcile();
    expect(await rig.runtime.list()).toEqual([]);
    expect(await rig.leftBehind()).not.toEqual([]);
    await rig.runtime.remove('unknown', { volumes: true });
  });
});

test.runIf(engine.available)(
  'volumes that were made by hand count by their labels, not their names',
  async () => {
    await using rig = await AgentsRig.start('docker', { ORPHAN_TIMEOUT: '1' });
    const labels = (agentId?: string) => ({
      [LABELS.installation]: rig.store.installationId,
      ...(agentId && { [LABELS.agent]: agentId }),
    });
    const suffix = rig.store.installationId;
    const names = [`orphan-${suffix}`, `nobodys-${suffix}`, `foreign-${suffix}`] as const;
    await rig.docker.createVolume({ Name: names[0], Labels: labels('left') });
    await rig.docker.createVolume({ Name: names[1], Labels: labels() });
    await rig.docker.createVolume({ Name: names[2], Labels: { [LABELS.agent]: 'left' } });
    try {
      await sleep(2000);
      await rig.agents.reconcile();
      expect(await rig.leftBehind()).toEqual([names[1]]);
      expect(await rig.docker.getVolume(names[2]).inspect()).toBeDefined();
    } finally {
      for (const name of names.slice(1)) await rig.docker.getVolume(name).remove();
    }
  },
);

test('a directory that is none of an agent stays where it is', async () => {
  await using rig = await AgentsRig.start('process', { ORPHAN_TIMEOUT: '1' });
  await rig.use('a');
  const foreign = path.join(rig.config.DATA_DIR, 'agents', 'notes');
  fs.mkdirSync(foreign);
  await sleep(1500);
  await rig.agents.reconcile();
  expect(fs.existsSync(foreign)).toBe(true);
});
