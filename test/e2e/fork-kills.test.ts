import { describe, expect, inject, test } from 'vitest';
import { obey } from '../fakes/stand-in-model/script.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { containerOf } from './git-client.ts';
import { holdShell, inWorkspaceOf } from './held-shell.ts';
import { createWorld, kill, type Main } from './main-process.ts';
import { call, connect } from './test-server.ts';
import { thingsOf } from './things.ts';

const engine = inject('engine');

describe.each(CHEAPEST)('in the $runtime runtime', ({ runtime }) => {
  test('half a fork is nobody, and forking can be repeated', { timeout: 400_000 }, async () => {
    await using world = await createWorld(runtime);
    world.model.setScript(obey);
    const first = await world.start();
    await asked(first, 'implement', { agent_id: 'one', task: `run:${MANY_FILES}` });
    const forking = asked(first, 'fork_agent', { agent_id: 'one', new_agent_id: FORK });
    forking.catch(() => undefined);
    await expect.poll(() => thingsOf(world, FORK), { interval: 20 }).not.toEqual([]);
    await kill(first, 'SIGKILL');
    const server = await world.start();
    expect(await names(server)).toEqual(['one']);
    expect(await thingsOf(world, FORK)).toEqual([]);
    await asked(server, 'fork_agent', { agent_id: 'one', new_agent_id: FORK });
    const { changes } = await asked(server, 'implement', {
      ...{ agent_id: FORK, task: 'run:ls .cache | wc -l > count' },
    });
    expect(changes).toMatchObject([{ diff: expect.stringContaining('+20000') }]);
    expect(await names(server)).toEqual([FORK, 'one'].sort());
  });

  test('a candidate is taken over once, however often that is cut off', {
    timeout: 400_000,
  }, async () => {
    await using world = await createWorld(runtime);
    world.model.setScript(obey);
    let server = await world.start();
    const first = 'run:[ -e way ] && echo $(cat way)er > way || echo long > way';
    const { turn_id, candidates } = await asked(server, 'implement', {
      ...{ agent_id: 'one', task: first, candidates: 2 },
    });
    const [best, other] = candidates.map(({ agent_id }: { agent_id: string }) => agent_id);
    // Its second turn changes what its first one wrote.
    await asked(server, 'implement', { agent_id: best, task: first });
    const promote = () => asked(server, 'promote_candidate', { turn_id, agent_id: best });
    const restart = async () => {
      await kill(server, 'SIGKILL');
      server = await world.start();
    };

    const container = runtime === 'docker' ? await containerOf(server, 'one') : undefined;
    const home = { dataDir: world.dataDir, agentId: 'one', container };
    const { held } = await holdShell(home, PROMOTED_TWICE);
    promote().catch(() => undefined);
    await held;
    await restart();
    expect((await names(server)).sort()).toEqual(['one', best, other].sort());

    promote().catch(() => undefined);
    await expect.poll(() => thingsOf(world, other), { interval: 20 }).toEqual([]);
    await restart();

    const done = await promote();
    expect(done).toMatchObject({ promoted: best, commits: [{}, {}], kept: [] });
    expect(done.removed).toContain(best);
    expect(await names(server)).toEqual(['one']);
    expect(await inWorkspaceOf(home, 'cat way; git log --format=%s codex/work')).toBe(
      'longer\nTake over a candidate\nTake over a candidate\n',
    );
  });
});

test.runIf(engine.available)(
  'candidates are made and do their work once, whenever the server is killed',
  { timeout: 400_000 },
  async () => {
    await using world = await createWorld('docker');
    world.model.setScript(obey);
    let server = await world.start();
    const restart = async () => {
      await kill(server, 'SIGKILL');
      server = await world.start();
    };
    await asked(server, 'implement', { agent_id: 'one', task: `run:${MANY_FILES}` });
    const { turn_id } = await asked(server, 'implement', {
      ...{ agent_id: 'one', task: 'run:sleep 2; echo x >> x', candidates: 2, wait: false },
    });
    const candidates = [1, 2].map((index) => `one-try-${turn_id.slice(0, 8)}-${index}`);
    await expect.poll(() => thingsOf(world, candidates[0] ?? ''), { interval: 20 }).not.toEqual([]);
    await restart();
    // Both are at work.
    await expect.poll(() => world.model.requests.length, { timeout: 90_000 }).toBe(4);
    await restart();
    const { state, result } = await asked(server, 'wait_turn', { turn_id, timeout_seconds: 60 });
    expect(state).toBe('completed');
    expect(result.candidates).toMatchObject(
      Array(2).fill({ changes: [{ file: 'x', diff: expect.stringContaining('@@ -0,0 +1 @@') }] }),
    );
    expect((await asked(server, 'list_turns', {})).turns).toHaveLength(4);
    expect(await names(server)).toEqual(['one', ...candidates].sort());
    await asked(server, 'promote_candidate', { turn_id, none: true });
    for (const each of candidates) expect(await thingsOf(world, each)).toEqual([]);
  },
);

/** Both commits of a candidate are taken over. */
const PROMOTED_TWICE = 'set -- .git/refs/codex/promoted/*[!k]; [ $# = 2 ]';
/** They take a while to be copied, and none to be recorded. */
const MANY_FILES = 'mkdir .cache; echo .cache > .gitignore; cd .cache; seq 20000 | xargs touch';
/** No other test on the engine has an agent of this name. */
const FORK = `fork-${process.pid}`;

async function asked(server: Main, tool: string, args: Record<string, unknown>) {
  await using client = await connect(server);
  return await call(client, tool, args);
}

async function names(server: Main): Promise<string[]> {
  const { sessions } = await asked(server, 'list_sessions', {});
  return sessions.map(({ agent_id }: { agent_id: string }) => agent_id).sort();
}
