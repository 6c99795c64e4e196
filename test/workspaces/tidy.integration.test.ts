import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Workspace } from '../../src/workspaces/workspace.ts';
import { AgentsRig } from '../agents/agents-rig.ts';

const engine = inject('engine');
const TURNS = 24;
const LOOSE = 30;
const OLD = new Date('2026-01-01');
const WIDE = { file: 100_000, total: 100_000 };
const FACTS = { author: 'alice', message: 'Do it\n', fileLimit: 100_000 };
const LOOSE_FILES = "find objects -path '*/??/*' -type f | wc -l";

describe.runIf(engine.available)('repositories that get a commit with every turn', () => {
  let rig: AgentsRig;
  beforeAll(async () => {
    rig = await AgentsRig.start('docker');
    await use(() => sh('git config user.name u; git config user.email u@u.invalid'));
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  const sh = (script: string) => rig.shell('a', `cd /workspace && ${script}`);
  const use = <T>(work: (workspace: Workspace) => Promise<T>) =>
    rig.agents.withAgent('a', ({ workspace }) => work(workspace));
  const looseIn = async (repository: string) =>
    Number(await sh(`cd ${repository} && ${LOOSE_FILES}`));
  const ours = () => `${rig.runtime.layout('a').home}/.workspace-snapshots`;

  test('keep few refs and loose objects, and all that a kept turn needs', async () => {
    await sh(
      'echo base > base; git add .; git commit -qm base; echo kept > base; git stash -q; echo dangling | git hash-object -w --stdin',
    );
    const kept = await use(async (workspace) => {
      let before = await workspace.checkpoint();
      const commits = [];
      for (let turn = 0; turn < TURNS; turn += 1) {
        await sh(`seq ${turn} 200 > file-${turn}; echo ${turn} > last`);
        const after = await workspace.checkpoint();
        const at = turn < TURNS / 2 ? OLD : new Date();
        const made = await workspace.commits.make({
          ...{ ...FACTS, before, after, at, ref: `turns/t${turn}` },
        });
        if ('commit' in made) commits.push(made.commit);
        before = after;
      }
      return commits.at(-2);
    });
    if (!kept) throw new Error('There is no commit.');
    const head = await sh('git rev-parse HEAD codex/work');
    expect(await looseIn('.git')).toBeGreaterThan(LOOSE);
    expect(await looseIn(ours())).toBeGreaterThan(LOOSE);

    await use((workspace) =>
      workspace.tidy({ keptSince: new Date('2026-02-01'), looseObjects: LOOSE }),
    );
    expect(await sh('git for-each-ref refs/codex/turns | wc -l')).toBe(`${TURNS / 2}\n`);
    expect(await looseIn('.git')).toBe(0);
    expect(await looseIn(ours())).toBeLessThan(LOOSE);
    expect(await sh('git rev-parse HEAD codex/work')).toBe(head);
    expect(await sh('git fsck 2>&1 | grep -v dangling; git cat-file -p stash:base')).toBe('kept\n');
    expect(await sh('git cat-file -p $(echo dangling | git hash-object --stdin)')).toBe(
      'dangling\n',
    );
    await use(async ({ commits }) => {
      const parent = await commits.parentOf(kept.id);
      const { changes } = await commits.diff(parent, kept.id, {
        ...{ ...WIDE, paths: [], contextLines: 3 },
      });
      expect(changes.map(({ file }) => file)).toEqual([`file-${TURNS - 2}`, 'last']);
      await sh(`git checkout -q codex/work -- last; echo ${TURNS - 2} > last`);
      const reverted = await commits.revert(kept.id, {
        ...{ ...FACTS, ref: 'reverts/r', at: new Date() },
      });
      expect(reverted).toHaveProperty('commit');
    });
    expect(await sh(`ls file-${TURNS - 2} 2>&1`)).toContain('No such file');
  });

  test('recover from a git that was killed while it packed them', async () => {
    const leftovers = '.git/packed-refs.lock .git/objects/pack/tmp_pack_x';
    await sh(`echo /workspace/.git > ${ours()}/tidying; touch ${leftovers}`);
    await use((workspace) => workspace.tidy({ keptSince: undefined, looseObjects: LOOSE }));
    expect(await sh(`ls ${leftovers} 2>/dev/null; ls ${ours()} | grep tidy; true`)).toBe('');
    expect(await sh('git for-each-ref refs/codex/turns | wc -l')).toBe(`${TURNS / 2}\n`);
  });

  test('leave alone what another git works on', async () => {
    await sh('git update-ref refs/codex/turns/old $(git commit-tree -m x HEAD^{tree})');
    const holds = 'cd /workspace && exec git cat-file --batch';
    const held = await rig.runtime.exec('a', ['sh', '-c', holds]);
    const tidy = () =>
      use((workspace) => workspace.tidy({ keptSince: new Date(8e12), looseObjects: LOOSE }));
    await expect.poll(() => sh('pgrep -c git')).toBe('1\n');
    await tidy();
    expect(await sh('git for-each-ref refs/codex/turns/old | wc -l')).toBe('1\n');
    held.stdio.end();
    await held.exited;
    await tidy();
    expect(await sh('git for-each-ref refs/codex/turns | wc -l')).toBe('0\n');
  });

  test('of a large clone begin with what that has packed', async () => {
    const many = 'for i in $(seq 400); do echo $i > c$i; done';
    await rig.agents.withAgent('b', async ({ workspace }) => {
      await rig.shell(
        'b',
        `cd /workspace && ${many}; git add . && git -c user.name=u -c user.email=u@u commit -qm many && git repack -adq`,
      );
      await workspace.checkpoint();
    });
    const found = await rig.shell('b', `cd ${ours()} && ${LOOSE_FILES}; ls objects/pack | wc -l`);
    expect(found).toMatch(/^\d{1,2}\n[23]\n$/);
  });
});

test.runIf(engine.available)(
  'are tidied after every so many turns, while the agent is idle',
  async () => {
    await using rig = await AgentsRig.start('docker', { TURN_RETENTION: '60' });
    await rig.use('a');
    const commit = 'git -c user.name=u -c user.email=u@u commit-tree -m x $(git mktree </dev/null)';
    const refs = () => rig.shell('a', 'cd /workspace && git for-each-ref --format="%(refname)"');
    await rig.shell(
      'a',
      `cd /workspace; export GIT_COMMITTER_DATE="@1000000000 +0000"; git update-ref refs/codex/turns/old $(${commit}); unset GIT_COMMITTER_DATE; git update-ref refs/codex/turns/new $(${commit})`,
    );
    for (let turn = 1; turn < 20; turn += 1) rig.agents.disk.turnEnded('a');
    await expect.poll(() => rig.agents.disk.bytesOf('a')).toBeGreaterThan(0);
    expect(await refs()).toBe('refs/codex/turns/new\nrefs/codex/turns/old\n');
    expect(await rig.agents.withAgent('a', () => rig.agents.tidy('a'))).toBe(false);
    expect(await rig.agents.tidy('a')).toBe(true);
    expect(await refs()).toBe('refs/codex/turns/new\n');
  },
);
