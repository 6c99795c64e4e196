import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { measureDisk } from '../../src/agents/disk-usage.ts';
import { DiskWatch } from '../../src/agents/disk-watch.ts';
import type { ContainerRuntime } from '../../src/runtime/container-runtime.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { AgentsRig } from './agents-rig.ts';

const MEBIBYTE = 1024 * 1024;

test('are not known where measuring them takes too long', async () => {
  await using rig = await AgentsRig.start('process');
  await rig.use('a');
  const runtime = executing(rig.runtime, (agentId) => rig.runtime.exec(agentId, ['sleep', '60']));
  const startedAt = performance.now();
  expect(await measureDisk(runtime, 'a')).toBeUndefined();
  expect(performance.now() - startedAt).toBeGreaterThan(4900);
});

describe.each(CHEAPEST)('the files of agents in the $runtime runtime', ({ runtime: kind }) => {
  test('are measured after turns, warned of, and then refused more', async () => {
    await using rig = await AgentsRig.start(kind, { CONTAINER_DISK_LIMIT: '64m' });
    using watch = watchOver(rig);
    await rig.use('a');
    await fill(rig, 'one', 20);
    watch.turnEnded('a');
    await expect.poll(() => watch.bytesOf('a')).toBeGreaterThan(20 * MEBIBYTE);
    expect(watch.warning('a')).toBeUndefined();
    await fill(rig, 'two', 35);
    watch.turnEnded('a');
    await expect.poll(() => watch.warning('a')).toMatch(/agent a have \d+ of 67108864 bytes/);
    expect(() => watch.assertRoom('a')).not.toThrow();
    await fill(rig, 'three', 10);
    watch.turnEnded('a');
    const full = expect.objectContaining({ code: 'workspace_full' });
    await expect.poll(() => attempt(() => watch.assertRoom('a'))).toEqual(full);
    expect(() => watch.assertRoom('b')).not.toThrow();

    await rig.shell('a', `rm ${rig.runtime.layout('a').workspace}/t*`);
    watch.turnEnded('a');
    await expect.poll(() => attempt(() => watch.assertRoom('a'))).toBeUndefined();
    await rig.agents.transition('remove', 'a');
    expect(watch.bytesOf('a')).toBe(0);
  });

  test('are measured once for many turns that end together', async () => {
    await using rig = await AgentsRig.start(kind);
    await rig.use('a');
    let measured = 0;
    const runtime = executing(rig.runtime, (...command) => {
      measured += 1;
      return rig.runtime.exec(...command);
    });
    using watch = watchOver(rig, { runtime, measureEveryMs: 500 });
    for (let count = 0; count < 20; count += 1) watch.turnEnded('a');
    await expect.poll(() => measured).toBe(1);
    await expect.poll(() => watch.bytesOf('a')).toBeGreaterThan(0);
    for (let count = 0; count < 20; count += 1) watch.turnEnded('a');
    expect(measured).toBe(1);
    await expect.poll(() => measured).toBe(2);
  });

  test('shrink when snapshots have piled up, and the last one still holds', async () => {
    await using rig = await AgentsRig.start(kind);
    using watch = watchOver(rig, { growthBytes: 5 * MEBIBYTE });
    const { workspace: root } = rig.runtime.layout('a');
    for (let turn = 1; turn <= 5; turn += 1) {
      await fill(rig, 'rewritten', 2);
      await rig.shell('a', `echo ${turn} > ${root}/small`);
      await rig.use('a');
    }
    const home = rig.runtime.layout('a').home;
    const size = async () => Number((await rig.shell('a', `du -sk ${home}`)).split('\t', 1)[0]);
    expect(await size()).toBeGreaterThan(10 * 1024);
    await rig.agents.withAgent('a', async () => {
      expect(await rig.agents.packCheckpoints('a')).toBe(false);
    });
    watch.turnEnded('a');
    await expect.poll(size).toBeLessThan(5 * 1024);

    await rig.agents.withAgent('a', async ({ workspace }) => {
      const before = await workspace.checkpoint();
      await rig.shell('a', `echo 6 > ${root}/small; echo new > ${root}/new; rm ${root}/rewritten`);
      const { changes } = await workspace.changesBetween(before, await workspace.checkpoint(), {
        file: 1000,
        total: 10_000,
      });
      expect(changes.map(({ file, action }) => [file, action])).toEqual([
        ['new', 'create'],
        ['rewritten', 'delete'],
        ['small', 'modify'],
      ]);
      await workspace.restore(before);
      expect(await rig.shell('a', `cd ${root}; cat small; ls; wc -c < rewritten`)).toBe(
        `5\nrewritten\nsmall\n${2 * MEBIBYTE}\n`,
      );
    });
  });
});

function watchOver(
  { runtime, agents, config }: AgentsRig,
  options: Partial<ConstructorParameters<typeof DiskWatch>[0]> = {},
): DiskWatch {
  return new DiskWatch({
    runtime,
    packCheckpoints: (agentId) => agents.packCheckpoints(agentId),
    tidy: (agentId) => agents.tidy(agentId),
    countsWorkspace: () => true,
    events: agents.events,
    config,
    log: pino({ level: 'silent' }),
    measureEveryMs: 100,
    ...options,
  });
}

/** Writes what no compression makes smaller. */
async function fill(rig: AgentsRig, name: string, mebibytes: number): Promise<void> {
  if (rig.agents.statusOf('a') !== 'idle') await rig.use('a');
  const { workspace } = rig.runtime.layout('a');
  await rig.shell('a', `head -c ${mebibytes}M /dev/urandom > ${workspace}/${name}`);
}

function attempt(action: () => void): unknown {
  try {
    action();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The same runtime, with another way to run programs. */
function executing(runtime: ContainerRuntime, exec: ContainerRuntime['exec']): ContainerRuntime {
  return new Proxy(runtime, {
    get(target, name) {
      if (name === 'exec') return exec;
      const member = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
