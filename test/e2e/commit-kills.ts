import { execFileSync } from 'node:child_process';
import { expect } from 'vitest';
import type { RuntimeKind } from '../../src/runtime/container-runtime.ts';
import { obey } from '../fakes/stand-in-model/script.ts';
import { containerOf } from './git-client.ts';
import { COMMIT_BEGUN, COMMIT_MADE, type Home, holdShell, inWorkspaceOf } from './held-shell.ts';
import { createWorld, kill, type Main, submitted, waited } from './main-process.ts';
import { call, connect } from './test-server.ts';

/** All that is the user's, and no commit of a turn may touch. */
const USERS = `git status --porcelain=v2 --branch | grep -v work.txt; git ls-files -s
git stash list; git for-each-ref | grep -v codex/; cat .git/HEAD; git reflog
find .git -name '*.lock'`;
const BEGIN = [
  'echo base > base; git add base; git commit -qm base; git branch other',
  'echo stashed > base; git stash -q; echo staged > staged; git add staged; echo more >> staged',
  'echo loose > loose',
].join('; ');

/** Moments at which a turn becomes a commit. */
export const BEFORE_COMMIT = { moment: 'before it made the commit', condition: COMMIT_BEGUN };
export const AFTER_COMMIT = { moment: 'after it made the commit', condition: COMMIT_MADE };

type Moment = typeof BEFORE_COMMIT;

/** A server that is killed while a turn becomes a commit has made one in the end. */
export async function killedServersMakeOneCommit(
  runtime: RuntimeKind,
  moments: readonly Moment[],
): Promise<void> {
  await using world = await createWorld(runtime);
  world.model.setScript(obey);
  let server = await world.start();
  await begun(server);
  const home = await homeOf(server, world.dataDir, runtime);
  const users = await inWorkspaceOf(home, USERS);
  for (const { moment, condition } of moments) {
    const tip = await inWorkspaceOf(home, 'git rev-parse codex/work');
    const { held } = await holdShell(home, condition);
    const line = moment.slice(0, 5).trim();
    const turnId = await submitted(server, 'implement', work(line));
    const shell = await held;
    await kill(server, 'SIGKILL');
    server = await world.start();
    const { state, result } = await waited(server, turnId);
    expect(state, moment).toBe('completed');
    const look = async () => ({
      ref: await inWorkspaceOf(home, `git rev-parse refs/codex/turns/${turnId}`),
      line: await inWorkspaceOf(home, 'git rev-parse codex/work codex/work^'),
      diff: await inWorkspaceOf(home, 'git diff codex/work^ codex/work | grep "^[+-]"'),
      users: await inWorkspaceOf(home, USERS),
    });
    const expected = {
      ref: `${result.commit.id}\n`,
      line: `${result.commit.id}\n${tip}`,
      diff: expect.stringMatching(new RegExp(`^--- .*\\n\\+\\+\\+ .*\\n\\+${line}\\n$`)),
      users,
    };
    expect(await look(), moment).toEqual(expected);
    // What an earlier server left at work does no harm when it goes on.
    await shell.letGo();
    expect(await look(), moment).toEqual(expected);
    await using client = await connect(server);
    const told = await call(client, 'get_changes', { turn_id: turnId });
    expect(told.changes, moment).toMatchObject([{ file: 'work.txt', additions: 1 }]);
  }
}

/** What a turn did whose container is killed while it becomes a commit is in one before the next. */
export async function killedContainersLoseNoWork(moments: readonly Moment[]): Promise<void> {
  await using world = await createWorld('docker');
  world.model.setScript(obey);
  const server = await world.start();
  await begun(server);
  let home = await homeOf(server, world.dataDir, 'docker');
  const users = await inWorkspaceOf(home, USERS);
  for (const { moment, condition } of moments) {
    const { held } = await holdShell(home, condition);
    const lost = await submitted(server, 'implement', work('lost'));
    await held;
    execFileSync('docker', ['kill', home.container ?? ''], { stdio: 'ignore' });
    // What it changed may have been read before, and on a busy machine it may have been told of.
    const { error, result } = await waited(server, lost);
    const told = error?.code ?? (result.commit ? 'a commit' : `${result.notes}`);
    expect(told, moment).toMatch(/container_lost|are in no commit|a commit/);
    await using client = await connect(server);
    const next = await call(client, 'implement', work('next'));
    home = await homeOf(server, world.dataDir, 'docker');
    const log = await inWorkspaceOf(home, 'git log -3 --format=%s codex/work; git fsck 2>&1');
    expect(log, moment).toMatch(/^Work\n(Files before the turn|Work)\n/);
    expect(log, moment).not.toMatch(/error|missing|broken/);
    expect(next.changes[0].diff.match(/^\+[a-z]+$/gm), moment).toEqual(['+next']);
    expect(await inWorkspaceOf(home, 'git show codex/work^:work.txt | tail -1')).toBe('lost\n');
    expect(await inWorkspaceOf(home, USERS), moment).toBe(users);
  }
}

const work = (line: string) => ({ agent_id: 'a', task: `Work\nrun:echo ${line} >> work.txt` });

/** An agent with a turn behind it, and with things of the user's in its repository; answers the id of the turn. */
async function begun(server: Main): Promise<string> {
  await using client = await connect(server);
  const task = `Begin\nrun:${BEGIN}`;
  return (await call(client, 'implement', { agent_id: 'a', task })).turn_id;
}

async function homeOf(server: Main, dataDir: string, runtime: string): Promise<Home> {
  const container = runtime === 'docker' ? await containerOf(server, 'a') : undefined;
  return { dataDir, agentId: 'a', container };
}
