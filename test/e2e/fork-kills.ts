import { expect } from 'vitest';
import type { RuntimeKind } from '../../src/runtime/container-runtime.ts';
import { obey } from '../fakes/stand-in-model/script.ts';
import { containerOf } from './git-client.ts';
import { holdShell, inWorkspaceOf } from './held-shell.ts';
import { createWorld, kill, type Main, type World } from './main-process.ts';
import { call, connect } from './test-server.ts';
import { thingsOf } from './things.ts';

/** They take a while to be copied, and none to be recorded. */
export const MANY_FILES =
  'mkdir .cache; echo .cache > .gitignore; cd .cache; seq 20000 | xargs touch';
/** Both commits of a candidate are taken over. */
const PROMOTED_TWICE = 'set -- .git/refs/codex/promoted/*[!k]; [ $# = 2 ]';

/** Servers over the same data, of which each is killed before the next one begins. */
export class KilledServers implements AsyncDisposable {
  readonly world: World;
  readonly #runtime: RuntimeKind;
  #server: Main;

  private constructor(runtime: RuntimeKind, world: World, server: Main) {
    this.#runtime = runtime;
    this.world = world;
    this.#server = server;
  }

  static async start(runtime: RuntimeKind): Promise<KilledServers> {
    const world = await createWorld(runtime, { model: { script: obey } });
    return new KilledServers(runtime, world, await world.start());
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.world[Symbol.asyncDispose]();
  }

  async killAndStart(): Promise<void> {
    await kill(this.#server, 'SIGKILL');
    this.#server = await this.world.start();
  }

  async call(tool: string, args: Record<string, unknown>) {
    await using client = await connect(this.#server);
    return await call(client, tool, args);
  }

  /** Begins a call whose answer nobody will hear. */
  begin(tool: string, args: Record<string, unknown>): void {
    this.call(tool, args).catch(() => undefined);
  }

  async names(): Promise<string[]> {
    const { sessions } = await this.call('list_sessions', {});
    return sessions.map(({ agent_id }: { agent_id: string }) => agent_id).sort();
  }

  /** A candidate of two commits is taken over once, however often that is cut off. */
  async expectTakenOverOnce({ isKilledInRemoval }: { isKilledInRemoval: boolean }): Promise<void> {
    const first = 'run:[ -e way ] && echo $(cat way)er > way || echo long > way';
    const { turn_id, candidates } = await this.call('implement', {
      ...{ agent_id: 'one', task: first, candidates: 2 },
    });
    const [best, other] = candidates.map(({ agent_id }: { agent_id: string }) => agent_id);
    // Its second turn changes what its first one wrote.
    await this.call('implement', { agent_id: best, task: first });
    const promotion = { turn_id, agent_id: best };
    const isContained = this.#runtime === 'docker';
    const container = isContained ? await containerOf(this.#server, 'one') : undefined;
    const home = { dataDir: this.world.dataDir, agentId: 'one', container };

    const { held } = await holdShell(home, PROMOTED_TWICE);
    this.begin('promote_candidate', promotion);
    await held;
    await this.killAndStart();
    expect(await this.names()).toEqual(['one', best, other].sort());
    if (isKilledInRemoval) {
      this.begin('promote_candidate', promotion);
      await expect.poll(() => thingsOf(this.world, other), { interval: 20 }).toEqual([]);
      await this.killAndStart();
    }

    const done = await this.call('promote_candidate', promotion);
    expect(done).toMatchObject({ promoted: best, commits: [{}, {}], kept: [] });
    expect(done.removed).toContain(best);
    expect(await this.names()).toEqual(['one']);
    expect(await inWorkspaceOf(home, 'cat way; git log --format=%s codex/work')).toBe(
      'longer\nTake over a candidate\nTake over a candidate\n',
    );
  }
}
