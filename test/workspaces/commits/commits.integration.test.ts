import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Commit, CommitOutcome, NewCommit } from '../../../src/workspaces/commits/commit.ts';
import type { Workspace } from '../../../src/workspaces/workspace.ts';
import { AgentsRig } from '../../agents/agents-rig.ts';

const engine = inject('engine');
type Files = Pick<NewCommit, 'before' | 'after' | 'again'>;

const WORK = 'refs/heads/codex/work';
const LIMIT = 100_000;
const WIDE = { file: 1_000_000, total: 1_000_000 };
const CLEAR =
  'cd /workspace && find . -mindepth 1 -maxdepth 1 -exec rm -rf {} + && git init -q && git config user.name u && git config user.email u@u.invalid';
/** All that a commit of ours must leave as it is. */
const USERS =
  'cd /workspace; git status --porcelain=v2 --branch; git ls-files -s; git stash list; git for-each-ref | grep -v codex/; cat .git/HEAD; cksum .git/index; git reflog';
const UNMOVED = 'git ls-files -s; git for-each-ref | grep -v codex/; cat .git/HEAD; git reflog';

describe.runIf(engine.available)('the commit of a turn in a container', () => {
  let rig: AgentsRig;
  let turns = 0;

  beforeAll(async () => {
    rig = await AgentsRig.start('docker');
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  const sh = (script: string) => rig.shell('a', `cd /workspace && ${script}`);
  const use = <T>(work: (workspace: Workspace) => Promise<T>) =>
    rig.agents.withAgent('a', ({ workspace }) => work(workspace));

  /** Makes the commit of a turn that ran a script. */
  async function outcomeOf(script: string, again = false): Promise<CommitOutcome> {
    turns += 1;
    return use(async (workspace) => {
      const before = await workspace.checkpoint();
      await rig.shell('a', `cd /workspace && { ${script}\n}`);
      const after = await workspace.checkpoint();
      const facts = { at: new Date(), author: 'alice', message: 'Do it\n', fileLimit: LIMIT };
      return workspace.commits.make({ before, after, again, ref: `turns/t${turns}`, ...facts });
    });
  }

  async function commitOf(script: string): Promise<Commit> {
    return madeBy(await outcomeOf(script));
  }

  function madeBy(outcome: CommitOutcome): Commit {
    if (!('commit' in outcome)) throw new Error(JSON.stringify(outcome));
    return outcome.commit;
  }

  test('follows the one before, and holds what the turn did and nothing else', async () => {
    await use(() => rig.shell('a', CLEAR));
    const first = await commitOf('echo one > a.txt');
    const second = await commitOf('echo two >> a.txt; mv a.txt "b é.txt"; ln -s /etc link');
    expect(first).toMatchObject({ ref: 'refs/codex/turns/t1', branch: 'codex/work' });
    expect(first.parent).toBeUndefined();
    expect(second.parent).toBe(first.id);
    expect(await sh('git log --format=%an,%ae,%cn,%s codex/work')).toBe(
      'alice,alice@agents.invalid,codex-mcp-server,Do it\n'.repeat(2),
    );
    expect(await sh(`git show --format= --name-status --no-renames ${second.id}`)).toBe(
      'D\ta.txt\nA\t"b \\303\\251.txt"\nA\tlink\n',
    );
    expect(await sh('git fsck --strict 2>&1')).not.toMatch(/missing|broken|error/);
  });

  test('leaves index, HEAD, branches, stash and uncommitted files as they are', async () => {
    await sh(
      `${CLEAR}; echo base > base; echo s > s; git add .; git commit -qm base; echo more >> s; git stash -q; git checkout -q -b topic; echo staged > staged; git add staged; echo loose > loose; echo changed >> base`,
    );
    // HEAD is at a branch of the user, in the middle of a merge that conflicts.
    await sh(
      'git stash -q -u; git checkout -q -b other; echo other > base; git commit -qam other; git checkout -q topic; echo topic > base; git commit -qam topic; git merge other >/dev/null; echo loose > loose',
    );
    const before = await sh(USERS);
    expect(before).toContain('u UU');
    const commit = await commitOf('true; echo done > done.txt');
    expect(await sh(`rm done.txt; ${USERS.replace('cd /workspace; ', '')}`)).toBe(before);
    expect(await sh(`git show --format=%s --name-only ${commit.id} ${commit.id}^`)).toBe(
      'Do it\n\ndone.txt\nFiles before the turn\n\nbase\nloose\n',
    );
    expect(await sh('git merge-base --is-ancestor topic codex/work && echo yes')).toBe('yes\n');
  });

  test('goes on from where the user or the agent moved HEAD', async () => {
    await sh(`${CLEAR}; echo 1 > f; git add .; git commit -qm one`);
    const first = await commitOf('echo 2 >> f');
    await sh('git add .; git commit -qm "by the user"');
    const second = await commitOf('echo 3 >> f; git commit -qam "by the agent"; echo 4 >> f');
    expect(await sh(`git log --format=%s ${second.parent} -1`)).toBe('by the user\n');
    expect(await sh(`git log --format=%s ${second.id}^2 -1`)).toBe('by the agent\n');
    expect(await sh(`git diff --numstat ${second.id}^1 ${second.id}`)).toBe('2\t0\tf\n');
    const third = await commitOf('echo 5 >> f');
    expect(third.parent).toBe(second.id);
    expect(await sh(`git rev-parse refs/codex/turns/t${turns - 2}`)).toBe(`${first.id}\n`);
    await sh('git checkout -q --detach');
    expect((await commitOf('echo 6 >> f')).parent).toBe(third.id);
  });

  test('holds no ignored, hidden or large files, and submodules as such', async () => {
    await sh(
      `rm -rf /tmp/sub; git init -q /tmp/sub; cd /tmp/sub; git config user.name u; git config user.email u@u; echo s > s; git add .; git commit -qm s; ${CLEAR}; git -c protocol.file.allow=always submodule add -q /tmp/sub lib/sub; echo build > .gitignore; mkdir build hidden shown; echo x > build/f; git add -f build/f; echo h > hidden/h; echo s > shown/s; head -c 200000 /dev/zero > old; git add .; git commit -qm base; git sparse-checkout set shown lib`,
    );
    const commit = await commitOf(
      `echo y > build/f; echo z > build/g; echo s2 >> shown/s; head -c 150000 /dev/urandom > "big\né"; echo >> old; (cd lib/sub; echo more >> s; git -c user.name=a -c user.email=a@a commit -qam more; echo loose >> s); git init -q nested; echo n > nested/n; printf '\\0\\1' > bin; chmod +x shown/s`,
    );
    expect(commit.leftOut).toEqual({ large: ['big\né', 'old'], inSubmodules: ['lib/sub/s'] });
    expect(await sh(`git rev-list --count ${commit.id}`)).toBe('2\n');
    expect(await sh(`git show --format= --raw --abbrev=4 ${commit.id} | cut -d' ' -f1,2,5-`)).toBe(
      ':000000 100644 A\tbin\n:160000 160000 M\tlib/sub\n:000000 100644 A\tnested/n\n:100644 100755 M\tshown/s\n',
    );
    expect(await sh(`git rev-parse ${commit.id}:lib/sub`)).toBe(
      await sh('git -C lib/sub rev-parse HEAD'),
    );
  });

  test('is made once, and in spite of what a killed git left', async () => {
    await sh(CLEAR);
    const outcome = await use(async (workspace) => {
      const before = await workspace.checkpoint();
      await sh('echo 1 > f');
      const after = await workspace.checkpoint();
      const facts = { at: new Date(), author: 'alice', message: 'Do it\n', fileLimit: LIMIT };
      const commit = { before, after, ref: 'turns/once', ...facts };
      await sh(
        'mkdir -p .git/refs/heads/codex; touch .git/refs/heads/codex/work.lock .git/index.lock',
      );
      const first = await workspace.commits.make(commit);
      const later = { ...commit, at: new Date(0) };
      const second = await workspace.commits.make({ ...later, again: true });
      return { first, second, third: await workspace.commits.make(later) };
    });
    expect(outcome.first).toMatchObject({ commit: { branch: 'codex/work' } });
    expect(outcome.second).toMatchObject(outcome.first);
    expect(outcome.third).toMatchObject(outcome.first);
    expect(await sh('git rev-list --count codex/work; ls .git/index.lock')).toBe(
      '1\n.git/index.lock\n',
    );
  });

  test('is on the branch although git was killed between the two refs', async () => {
    await use(() => rig.shell('a', CLEAR));
    const { first, second, again } = await use(async (workspace) => {
      const facts = { at: new Date(), author: 'alice', message: 'Do it\n', fileLimit: LIMIT };
      const make = async (ref: string, more: Files) =>
        madeBy(await workspace.commits.make({ ...facts, ref, ...more }));
      const began = await workspace.checkpoint();
      await sh('echo 1 > f');
      const between = await workspace.checkpoint();
      const first = await make('turns/one', { before: began, after: between });
      await sh('echo 2 > f');
      const files = { before: between, after: await workspace.checkpoint() };
      const second = await make('turns/two', files);
      await sh(`git update-ref refs/heads/codex/work ${first.id}; touch .git/${WORK}.lock`);
      return { first, second, again: await make('turns/two', { ...files, again: true }) };
    });
    expect(again).toMatchObject({ id: second.id, branch: 'codex/work' });
    expect(await sh('git rev-list codex/work')).toBe(`${second.id}\n${first.id}\n`);
  });

  test('of another agent is taken over once, and then on the branch', async () => {
    await use(() => rig.shell('a', CLEAR));
    const { first, again } = await use(async ({ commits }) => {
      await sh('echo 1 > f; git add f; git commit -qm one; echo 2 > f; git commit -qam two');
      const two = await commits.find('HEAD');
      await sh('git reset -q --hard HEAD^');
      const facts = { at: new Date(), author: 'alice', message: 'Take it\n', fileLimit: LIMIT };
      const take = async () => madeBy(await commits.apply(two, { ref: 'promoted/two', ...facts }));
      const first = await take();
      await sh(`git update-ref refs/heads/codex/work HEAD; echo 3 > f`);
      return { first, again: await take() };
    });
    expect(again).toMatchObject({ id: first.id, branch: 'codex/work' });
    expect(await sh('git rev-parse codex/work; cat f')).toBe(`${first.id}\n3\n`);
  });

  test('does not move a branch that somebody has checked out', async () => {
    await sh(`${CLEAR}; echo 1 > f; git add .; git commit -qm one; git checkout -q -b codex/work`);
    const before = await sh('git rev-parse HEAD');
    const commit = await commitOf('echo 2 >> f');
    expect(commit.branch).toBeUndefined();
    expect(await sh(`git rev-parse HEAD ${commit.ref}`)).toBe(`${before}${commit.id}\n`);
  });

  test.each([
    ['no-repository', 'rm -rf .git'],
    ['broken-repository', 'rm -rf .git; mkdir .git; echo x > .git/HEAD'],
    ['other-objects', 'rm -rf .git; git init -q --object-format=sha256'],
    ['elsewhere', 'rm -rf .git /tmp/out; git init -q /tmp/out; echo gitdir: /tmp/out/.git > .git'],
    ['elsewhere', 'rm -rf .git /tmp/out; git init -q /tmp/out; ln -s /tmp/out/.git .git'],
    ['elsewhere', 'rm -rf /tmp/out; mkdir /tmp/out; ln -s /tmp/out .git/refs/codex'],
  ])('is refused with a reason: %s', async (reason, script) => {
    await sh(CLEAR);
    expect(await outcomeOf(`${script}; echo 1 > f`)).toEqual({ refused: reason });
  });

  test('runs nothing that the agent has planted, and believes no replaced object', async () => {
    await sh(
      `${CLEAR}; echo 1 > f; git add .; git commit -qm one; for h in reference-transaction post-index-change pre-commit; do printf '#!/bin/sh\\necho $0 >> /tmp/ran\\n' > .git/hooks/$h; chmod +x .git/hooks/$h; done; git config core.fsmonitor 'echo fsm >> /tmp/ran'; git config filter.x.clean 'echo clean >> /tmp/ran; cat'; git config diff.x.textconv 'echo conv >> /tmp/ran; cat'; git config merge.x.driver 'echo merge >> /tmp/ran; cat'; git config commit.gpgSign true; git config gpg.program /tmp/none; echo '* filter=x diff=x merge=x' > .gitattributes; git config core.logAllRefUpdates always`,
    );
    await sh(
      'git replace HEAD $(git -c commit.gpgSign=false commit-tree -m fake $(git mktree </dev/null)); rm -f /tmp/ran',
    );
    const commit = await commitOf('echo 2 >> f');
    expect(await sh('cat /tmp/ran 2>&1')).toContain('No such file');
    expect(await sh(`git --no-replace-objects show --format= --name-only ${commit.id}`)).toBe(
      'f\n',
    );
    expect(await sh(`git --no-replace-objects show --format= --name-only ${commit.parent}`)).toBe(
      '.gitattributes\n',
    );
  });

  test('of a shallow clone is none of more than it has', async () => {
    await sh(
      `rm -rf /tmp/deep; git init -q /tmp/deep; cd /tmp/deep; git config user.name u; git config user.email u@u; for i in 1 2 3; do echo $i > f; git add .; git commit -qm $i; done; ${CLEAR}; rm -rf .git; git clone -q --depth 1 file:///tmp/deep .`,
    );
    const commit = await commitOf('echo 4 > f');
    expect(await sh(`git rev-list --count ${commit.id}; git fsck 2>&1`)).toBe('2\n');
  });

  test('can be taken back under later changes, once, or not at all', async () => {
    await sh(`${CLEAR}; seq 9 > f; echo x > x; git add .; git commit -qm one`);
    const first = await commitOf('sed -i "s/^2$/two/" f; echo new > "n w"; rm x');
    await commitOf('sed -i "s/^8$/eight/" f; echo keep > keep');
    const revert = (ref: string) => {
      const facts = { at: new Date(), author: 'server', message: 'Revert\n', fileLimit: LIMIT };
      return use((workspace) => workspace.commits.revert(first.id, { ref, ...facts }));
    };
    const before = await sh(UNMOVED);
    await sh('cp f f.orig; sed -i "s/^two$/zwei/" f');
    expect(await revert('reverts/x')).toEqual({ conflicts: ['f'] });
    expect(await sh('mv f.orig f.new; sed -n 2p f; mv f.new f; ls')).toBe('zwei\nf\nkeep\nn w\n');
    const outcome = await revert('reverts/x');
    expect(outcome).toMatchObject({
      commit: { ref: 'refs/codex/reverts/x', branch: 'codex/work' },
    });
    expect(await sh('cat f x; ls')).toBe('1\n2\n3\n4\n5\n6\n7\neight\n9\nx\nf\nkeep\nx\n');
    expect(await sh('git show --format= --name-status codex/work')).toBe('M\tf\nD\tn w\nA\tx\n');
    expect(await sh(UNMOVED)).toBe(before);
    expect(await revert('reverts/x')).toEqual({ refused: 'done' });
  });

  test('is not taken back over files that git ignores, nor by half', async () => {
    await sh(`${CLEAR}; mkdir d e; echo d > d/d; echo e > e/e; git add .; git commit -qm one`);
    const { id } = await commitOf('rm d/d e/e; rmdir d; echo z > z');
    const facts = {
      ref: 'reverts/y',
      at: new Date(),
      author: 's',
      message: 'R\n',
      fileLimit: LIMIT,
    };
    const revert = () => use((workspace) => workspace.commits.revert(id, facts));
    await sh(
      'echo d > .gitignore; echo mine > d; echo e/e >> .gitignore; mkdir -p e/e; echo x > e/e/x',
    );
    expect(await revert()).toEqual({ blocked: ['d', 'e/e'] });
    expect(await sh('cat d e/e/x z')).toBe('mine\nx\nz\n');
    await sh('rm -r d e .gitignore; mkdir e; chmod 555 e');
    await expect(revert()).rejects.toMatchObject({ code: 'workspace_failed' });
    expect(await sh('find . -name .git -prune -o -type f -print')).toBe('./z\n');
    await sh('rm -rf e');
    expect(await revert()).toHaveProperty('commit');
    expect(await sh('cat d/d e/e; ls')).toBe('d\ne\nd\ne\n');
  });

  test('is told as a diff with renames, of some files, or whole as a patch', async () => {
    await sh(`${CLEAR}; seq 30 > f; echo x > x; git add .; git commit -qm one; echo y >> x`);
    const commit = await commitOf('mv f g; echo more >> g; echo z >> x; printf "\\0" > "b n"');
    await use(async ({ commits }) => {
      const from = await commits.parentOf(commit.id);
      const all = await commits.diff(from, commit.id, { paths: [], contextLines: 0, ...WIDE });
      expect(all.changes).toMatchObject([
        { file: 'b n', action: 'create', binary: true },
        { file: 'g', oldFile: 'f', action: 'rename', additions: 1, deletions: 0 },
        { file: 'x', action: 'modify', additions: 1 },
      ]);
      const some = await commits.diff(from, commit.id, { paths: ['x'], contextLines: 0, ...WIDE });
      expect(some.changes.map(({ diff }) => diff).join()).toContain('@@ -2,0 +3 @@ y\n+z\n');
      const pieces: Buffer[] = [];
      for await (const piece of commits.patch(from, commit.id)) pieces.push(piece);
      const patch = Buffer.concat(pieces).toString('base64');
      await sh(
        `rm -rf /tmp/apply; git worktree add -q --detach /tmp/apply ${from}; cd /tmp/apply; echo ${patch} | base64 -d | git apply --index && git write-tree > /tmp/tree`,
      );
      expect(await sh('cat /tmp/tree')).toBe(await sh(`git rev-parse ${commit.id}^{tree}`));
      const present = await commits.workingTree(LIMIT);
      expect(`${present.head}\n`).toBe(await sh('git rev-parse HEAD'));
      const open = await commits.diff(present.headTree, present.tree, {
        ...{ paths: [], contextLines: 3, ...WIDE },
      });
      expect(open.changes.map(({ file }) => file)).toEqual(['b n', 'g', 'x']);
      await expect(commits.parentOf('1'.repeat(40))).rejects.toMatchObject({
        code: 'commit_not_found',
      });
    });
  });
});
