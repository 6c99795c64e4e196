import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packet } from '../../src/transports/git/packet-line.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { containerOf, GitClient, inWorkspace, remoteOf } from './git-client.ts';
import { createWorld, kill, type Main, type World } from './main-process.ts';
import { call, connect } from './test-server.ts';

const NOTHING = '0'.repeat(40);

describe.each(CHEAPEST)('in the $runtime runtime', ({ runtime }) => {
  let world: World;
  let server: Main;
  beforeAll(async () => {
    world = await createWorld(runtime);
    server = await world.start();
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  const remote = () => remoteOf(server, 'a');
  /** Runs commands in the workspace of the agent, also while no server runs. */
  const workspace = async () => {
    const container = runtime === 'docker' ? await containerOf(server, 'a') : '';
    return (command: string) => inWorkspace(world.dataDir, container, 'a', command);
  };

  test('a push whose client or server dies is not taken, and may be repeated', async () => {
    using mine = await GitClient.repository({ 'a.txt': randomBytes(500_000) });
    await mine.git('push', '-q', remote(), 'main');
    const look = await workspace();
    const before = await mine.git('ls-remote', remote());
    const deaths = [
      async (push: http.ClientRequest) => void push.destroy(),
      async () => void (await kill(server, 'SIGKILL')),
    ];
    for (const die of deaths) {
      await mine.commit({ 'a.txt': randomBytes(3_000_000) });
      const push = await halfPush(mine, server);
      await expect.poll(() => look('ls .git/objects'), { timeout: 90_000 }).toContain('incoming');
      await die(push);
      await expect
        .poll(() => look('ls .git/objects'), { timeout: 90_000 })
        .not.toContain('incoming');
      if (server.process.signalCode !== null) server = await world.start();
      expect(await mine.git('ls-remote', remote())).toBe(before);
    }
    await mine.git('push', '-q', remote(), 'main');
    expect(look('git rev-parse HEAD; git status --porcelain')).toBe(
      `${await mine.git('rev-parse', 'HEAD')}\n`,
    );
  });

  test('what was killed while git wrote files is no bar to the next push', async () => {
    using mine = await GitClient.repository({ 'a.txt': 'one\n', 'b.txt': 'b\n', 'own.txt': 'x\n' });
    const first = await mine.git('rev-parse', 'HEAD');
    await mine.git('push', '-q', '--force', remote(), 'main');
    await mine.git('rm', '-q', 'b.txt');
    const second = await mine.commit({ 'a.txt': 'two\n', 'new/c.txt': 'c\n' });
    await mine.git('push', '-q', remote(), 'main:aside');
    const look = await workspace();
    // As a push leaves it that wrote one file, began on another and removed a third.
    look(`printf '${first} ${second}\\n' > .git/unfinished-push; cksum < .git/index >> .git/unfinished-push
       touch .git/index.lock .git/refs/heads/main.lock; printf tw > a.txt; rm b.txt; mkdir new; : > new/c.txt
       echo mine > own.txt; echo mine > kept.txt`);
    await using client = await connect(server);
    if (runtime === 'docker') {
      execFileSync('docker', ['kill', await containerOf(server, 'a')], { stdio: 'ignore' });
    } else {
      await call(client, 'cleanup_inactive_agents', { older_than_seconds: 0 });
    }
    await mine.git('fetch', '-q', remote(), 'main');
    const later = await workspace();
    expect(later('rm -f .git/refs/heads/main.lock; git status --porcelain')).toBe(
      ' M own.txt\n?? kept.txt\n',
    );
    later('touch .git/index.lock .git/refs/heads/main.lock');
    await mine.git('push', '-q', remote(), 'main');
    expect(later('git status --porcelain; cat a.txt new/c.txt own.txt; ls')).toBe(
      ' M own.txt\n?? kept.txt\ntwo\nc\nmine\na.txt\nkept.txt\nnew\nown.txt\n',
    );
  });
});

/** Sends the first half of a push of the current commit; its answer, if any comes, is not read. */
async function halfPush(client: GitClient, server: Main): Promise<http.ClientRequest> {
  const tip = await client.git('rev-parse', 'HEAD');
  const pack = execFileSync('git', ['pack-objects', '-q', '--stdout', '--revs'], {
    cwd: client.directory,
    input: `${tip}\n`,
    maxBuffer: 64 * 1024 * 1024,
  });
  const old = (await client.git('ls-remote', remoteOf(server, 'a'), 'refs/heads/main')).slice(
    0,
    40,
  );
  const command = packet(`${old || NOTHING} ${tip} refs/heads/main\0report-status side-band-64k`);
  const push = http.request(`${remoteOf(server, 'a')}/git-receive-pack`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-receive-pack-request' },
  });
  push.on('error', () => undefined);
  push.write(Buffer.concat([command, Buffer.from('0000'), pack.subarray(0, pack.length / 2)]));
  await once(push, 'socket');
  return push;
}
