import fs from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { CHEAPEST, RUNTIMES } from '../setup/runtimes.ts';
import { containerOf, GitClient, inWorkspace, remoteOf } from './git-client.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const BINARY = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 251));

describe.each(RUNTIMES)('a remote in the $runtime runtime', ({ runtime }) => {
  test('a push begins an agent, and what is cloned is what was pushed', async () => {
    await using server = await startTestServer({ runtime, script: answerAnything });
    const { remote, inside } = workspacesOf(server);
    using mine = await GitClient.repository({ 'a.txt': 'one\n', 'bin/data': BINARY });
    fs.writeFileSync(mine.path('run.sh'), '#!/bin/sh\n', { mode: 0o755 });
    fs.symlinkSync('a.txt', mine.path('link'));
    await mine.commit({});
    await mine.git('push', '-q', remote('begun'), 'main');
    expect(await inside('begun', 'cat a.txt; ls -A; git status --porcelain; test -x run.sh')).toBe(
      'one\n.git\na.txt\nbin\nlink\nrun.sh\n',
    );

    using theirs = new GitClient();
    await theirs.git('clone', '-q', remote('begun'), '.');
    expect(fs.readFileSync(theirs.path('bin/data')).equals(BINARY)).toBe(true);
    expect(fs.statSync(theirs.path('run.sh')).mode & 0o111).toBe(0o111);
    expect(fs.readlinkSync(theirs.path('link'))).toBe('a.txt');

    await inside('begun', 'echo two > a.txt && git commit -qam two');
    await theirs.git('pull', '-q');
    expect(theirs.read('a.txt')).toBe('two\n');
    fs.rmSync(theirs.path('link'));
    await theirs.commit({ 'new/file.txt': 'new\n' });
    await theirs.git('push', '-q');
    expect(await inside('begun', 'ls -A; cat new/file.txt; git status --porcelain')).toBe(
      '.git\na.txt\nbin\nnew\nrun.sh\nnew\n',
    );
  });
});

describe.each(CHEAPEST)('remotes in the $runtime runtime', ({ runtime }) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ runtime, script: answerAnything });
  });
  afterAll(() => server?.[Symbol.asyncDispose]());
  const remote = (agentId: string) => workspacesOf(server).remote(agentId);
  const inside = (agentId: string, command: string) =>
    workspacesOf(server).inside(agentId, command);

  test('branches, tags and rewritten branches go both ways', async () => {
    using mine = await GitClient.repository({ 'a.txt': 'one\n' });
    await mine.git('push', '-q', remote('refs'), 'main', 'main:topic');
    await mine.git('tag', '-a', '-m', 'x', 'v1');
    await mine.git('push', '-q', remote('refs'), 'v1');
    await mine.git('commit', '-q', '--amend', '-m', 'again');
    const rejected = await mine.try('push', remote('refs'), 'main');
    expect(rejected).toMatchObject({
      code: 1,
      output: expect.stringContaining('non-fast-forward'),
    });
    await mine.git('push', '-q', '--force', remote('refs'), 'main');
    await mine.git('push', '-q', remote('refs'), ':topic');
    const current = await mine.try('push', remote('refs'), ':main');
    expect(current.output).toContain('deletion of the current branch prohibited');
    const refs = await mine.git('ls-remote', remote('refs'));
    expect(refs.split('\n').map((line) => line.split('\t')[1])).toEqual([
      ...['HEAD', 'refs/heads/main', 'refs/tags/v1', 'refs/tags/v1^{}'],
    ]);
  });

  test('uncommitted work stays, or the push is refused and names it', async () => {
    using mine = await GitClient.repository({
      'a.txt': 'one\n',
      'b.txt': 'b\n',
      '.gitignore': '*.o\n',
    });
    await mine.git('push', '-q', remote('dirty'), 'main');
    await inside('dirty', 'echo own > b.txt; echo own > own.txt; echo own > x.o');
    const second = await mine.commit({ 'a.txt': 'two\n' });
    await mine.git('push', '-q', remote('dirty'), 'main');
    const status = 'git rev-parse HEAD; cat a.txt b.txt own.txt x.o; git status --porcelain';
    const kept = `${second}\ntwo\nown\nown\nown\n M b.txt\n?? own.txt\n`;
    expect(await inside('dirty', status)).toBe(kept);

    await mine.commit({ 'a.txt': 'three\n', 'b.txt': 'mine\n', 'own.txt': 'mine\n' });
    const refused = await mine.try('push', remote('dirty'), 'main');
    expect(refused.code).toBe(1);
    expect(refused.output).toMatch(/uncommitted work.*\n.*b\.txt.*\n.*own\.txt/);
    expect(await inside('dirty', status)).toBe(kept);

    await inside('dirty', 'echo mine > b.txt; echo mine > own.txt');
    await mine.git('push', '-q', remote('dirty'), 'main');
    expect(await inside('dirty', 'cat a.txt; git status --porcelain')).toBe('three\n');
  });

  test('shallow and partial clones work, and pushes from shallow ones', async () => {
    using mine = await GitClient.repository({ 'a.txt': 'one\n', 'b.txt': 'b\n' });
    await mine.commit({ 'a.txt': 'two\n' });
    await mine.git('push', '-q', remote('partial'), 'main');
    using shallow = new GitClient();
    await shallow.git('clone', '-q', '--depth=1', remote('partial'), '.');
    expect(await shallow.git('rev-list', '--count', 'HEAD')).toBe('1');
    using partial = new GitClient();
    await partial.git('clone', '-q', '--filter=blob:none', '--no-checkout', remote('partial'), '.');
    const missing = await partial.git('rev-list', '--objects', '--missing=print', 'HEAD');
    expect(missing.match(/^\?/gm)).toHaveLength(3);
    expect(await partial.git('show', 'HEAD~1:a.txt')).toBe('one');

    await shallow.commit({ 'c.txt': 'c\n' });
    await shallow.git('push', '-q', 'origin', 'main');
    await shallow.git('push', '-q', remote('trunk'), 'main:trunk');
    await shallow.git('push', '-q', remote('trunk'), 'main:other');
    // The first push decides what the workspace is on.
    expect(await inside('trunk', 'git symbolic-ref HEAD; cat a.txt c.txt')).toBe(
      'refs/heads/trunk\ntwo\nc\n',
    );
  });

  test('every version of the protocol is spoken, and gzip', async () => {
    using mine = await GitClient.repository({ 'a.txt': 'one\n' });
    const tip = await mine.git('rev-parse', 'HEAD');
    const many = Array.from({ length: 300 }, (_, index) => `create refs/heads/b${index} ${tip}\n`);
    await mine.git('push', '-q', remote('versions'), 'main');
    await inside(
      'versions',
      `printf '${many.join('').replaceAll('\n', '\\n')}' | git update-ref --stdin`,
    );
    for (const version of [0, 1, 2]) {
      using theirs = new GitClient();
      // So many wants that git compresses its request.
      const output = await theirs.git(
        ...['-c', `protocol.version=${version}`, 'clone', '-q', remote('versions'), 'x'],
      );
      expect(output).toBe('');
      expect(await theirs.git('-C', 'x', 'rev-parse', 'origin/b299')).toBe(tip);
    }
    const ask = (body: Buffer) =>
      fetch(`${remote('versions')}/git-upload-pack`, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-git-upload-pack-request',
          'content-encoding': 'gzip',
          'git-protocol': 'version=2',
        },
        body,
      });
    const listed = await ask(gzipSync('0014command=ls-refs\n0000'));
    expect(await listed.text()).toContain('refs/heads/b299');
    expect((await ask(Buffer.from('no gzip at all'))).status).toBe(400);
  });

  test('what the server keeps under refs/codex is read and not written', async () => {
    using mine = await GitClient.repository({ 'a.txt': 'one\n' });
    await mine.git('push', '-q', remote('hidden'), 'main');
    await inside(
      'hidden',
      'git update-ref refs/codex/turns/1 HEAD; git config receive.hideRefs "!refs/codex"',
    );
    const refused = await mine.try('push', remote('hidden'), 'main:refs/codex/turns/2');
    expect(refused.output).toContain('deny updating a hidden ref');
    expect((await mine.try('push', remote('hidden'), ':refs/codex/turns/1')).code).toBe(1);
    await mine.git('fetch', '-q', remote('hidden'), 'refs/codex/turns/1:refs/heads/seen');
  });

  test('a sleeping agent wakes, and hooks of its repository do not run', async () => {
    using mine = await GitClient.repository({ 'a.txt': 'one\n' });
    await mine.git('push', '-q', remote('sleeper'), 'main');
    const hook = '#!/bin/sh\\necho ran > "$PWD/ran"\\nexit 1\\n';
    await inside(
      'sleeper',
      `for name in pre-receive update post-receive; do printf '${hook}' > .git/hooks/$name; chmod +x .git/hooks/$name; done`,
    );
    await using client = await connect(server);
    await call(client, 'cleanup_inactive_agents', { older_than_seconds: 0 });
    expect((await call(client, 'list_sessions', { agent_id: 'sleeper' })).sessions[0].status).toBe(
      'stopped',
    );
    await mine.commit({ 'a.txt': 'two\n' });
    await mine.git('push', '-q', remote('sleeper'), 'main');
    expect(await inside('sleeper', 'cat a.txt; cat ran .git/ran 2>&1 || true')).toMatch(
      /^two\n(.*No such file.*\n){2}$/,
    );
  });
});

/** The workspaces of agents, from outside by git and from inside. */
function workspacesOf(server: TestServer) {
  const isContained = server.config.AGENT_RUNTIME === 'docker';
  return {
    remote: (agentId: string) => remoteOf(server, agentId),
    inside: async (agentId: string, command: string) => {
      const container = isContained ? await containerOf(server, agentId) : '';
      return inWorkspace(server.dataDir, container, agentId, command);
    },
  };
}
