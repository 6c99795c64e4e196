import { pino } from 'pino';
import { describe, expect, inject, test } from 'vitest';
import { Workspace } from '../../src/workspaces/workspace.ts';
import { AgentsRig } from '../agents/agents-rig.ts';
import { RUNTIMES } from '../setup/runtimes.ts';

const engine = inject('engine');
const MEBIBYTE = 1024 * 1024;
const WIDE = { file: MEBIBYTE, total: 64 * MEBIBYTE };

describe.each(RUNTIMES)('a workspace in the $runtime runtime', ({ runtime: kind }) => {
  test('tells of 32 MiB of diff, and how many files are not in it', async () => {
    await using rig = await AgentsRig.start(kind);
    const { workspace: root } = rig.runtime.layout('a');
    await rig.agents.withAgent('a', async ({ workspace }) => {
      const before = await workspace.checkpoint();
      await rig.shell(
        'a',
        `cd ${root}; yes 'a line of text' | head -c 1000000 > 10; for i in $(seq 11 49); do cp 10 $i; done`,
      );
      const after = await workspace.checkpoint();
      const { changes, unlisted } = await workspace.changesBetween(before, after, WIDE);
      expect(changes.length).toBeGreaterThan(28);
      expect(changes.length).toBeLessThan(32);
      expect(changes.length + unlisted).toBe(40);
      expect(changes.every(({ diff }) => diff.endsWith('\n'))).toBe(true);
      expect(await workspace.pathsChangedBetween(before, after)).toHaveLength(40);
    });
  });

  test('tells of some files alone, whatever they are called', async () => {
    await using rig = await AgentsRig.start(kind);
    const { workspace: root } = rig.runtime.layout('a');
    await rig.agents.withAgent('a', async ({ workspace }) => {
      const before = await workspace.checkpoint();
      await rig.shell('a', `cd ${root}; for f in one two '*' ':!one' -q; do echo x > "./$f"; done`);
      const after = await workspace.checkpoint();
      const changed = async (...names: string[]) => {
        const among = new Set(names);
        const { changes, unlisted } = await workspace.changesBetween(before, after, WIDE, among);
        return [changes.map(({ file }) => file), unlisted];
      };
      expect(await changed('*', ':!one', '-q')).toEqual([['*', '-q', ':!one'], 0]);
      expect(await changed('two', 'three')).toEqual([['two'], 0]);
      expect(await changed('three')).toEqual([[], 0]);
      const asked = ['one', 'three', '*', '-q', '-n', ':!one', 'no such\nfile', '../workspace'];
      const missing = asked.filter((path) => !['one', '*', '-q', ':!one'].includes(path));
      expect(await workspace.missing(asked)).toEqual(missing.filter((path) => path[0] !== '.'));
    });
  });

  test('tells a rename as a deletion, and a creation that names it', async () => {
    await using rig = await AgentsRig.start(kind);
    const { workspace: root } = rig.runtime.layout('a');
    await rig.agents.withAgent('a', async ({ workspace }) => {
      await rig.shell('a', `cd ${root}; seq 90 > 'a é'; seq 9 > other`);
      const before = await workspace.checkpoint();
      await rig.shell('a', `cd ${root}; mv 'a é' b; echo more >> b; echo new > new; rm other`);
      const after = await workspace.checkpoint();
      const { changes } = await workspace.changesBetween(before, after, WIDE);
      expect(changes.map(({ file, action, renamedFrom }) => [file, action, renamedFrom])).toEqual([
        ['a é', 'delete', undefined],
        ['b', 'create', 'a é'],
        ['new', 'create', undefined],
        ['other', 'delete', undefined],
      ]);
    });
  });

  test('says only that a file of more than 32 MiB differs', async () => {
    await using rig = await AgentsRig.start(kind);
    const { workspace: root } = rig.runtime.layout('a');
    await rig.agents.withAgent('a', async ({ workspace }) => {
      const before = await workspace.checkpoint();
      await rig.shell('a', `yes 'a line of text' | head -c 34000000 > ${root}/huge`);
      const after = await workspace.checkpoint();
      const { changes } = await workspace.changesBetween(before, after, WIDE);
      expect(changes).toMatchObject([{ file: 'huge', action: 'create' }]);
      expect(changes[0]?.diff).toContain('Binary files /dev/null and b/huge differ');
    });
  });
});

test.runIf(engine.available)(
  'a workspace survives programs that talk in the place of its shell, or end it',
  async () => {
    await using rig = await AgentsRig.start('docker');
    const { workspace: root } = rig.runtime.layout('a');
    const shells = `for p in $(grep -l 'Runs in the container for as long' /proc/[0-9]*/cmdline); do
      p=\${p%/cmdline}; [ "$(readlink $p/cwd)" = ${root} ] && [ "\${p#/proc/}" != $$ ] && PART; done 2>/dev/null`;
    await rig.agents.withAgent('a', async ({ workspace }) => {
      const before = await workspace.checkpoint();
      await rig.shell('a', shells.replace('PART', 'head -c 1000000 /dev/zero > $p/fd/1'));
      await expect.poll(() => rig.shell('a', shells.replace('PART', 'echo $p'))).toBe('');
      await rig.shell('a', `echo 1 > ${root}/one`);
      await expect.poll(() => workspace.checkpoint().catch(() => before)).not.toEqual(before);
      await rig.shell('a', shells.replace('PART', 'kill -9 $(basename $p)'));
      await expect.poll(() => workspace.restore(before).catch((error) => error)).toBeUndefined();
      expect(await rig.shell('a', `ls ${root}`)).toBe('');
    });
  },
);

test.runIf(engine.available)('a workspace survives programs that stop its shell', async () => {
  await using rig = await AgentsRig.start('docker');
  await rig.use('a');
  const log = pino({ level: 'silent' });
  const workspace = await Workspace.open(rig.runtime, 'a', log, { answerLimitMs: 5000 });
  const before = await workspace.checkpoint();
  await rig.shell('a', 'pkill -STOP -f "[R]uns in the container for as long"');
  await rig.shell('a', `echo x > ${rig.runtime.layout('a').workspace}/new`);
  const after = await workspace.checkpoint();
  expect(await workspace.pathsChangedBetween(before, after)).toEqual(['new']);
  workspace.close();
});
