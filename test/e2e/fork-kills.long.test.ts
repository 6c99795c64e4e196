import { expect, inject, test } from 'vitest';
import { CHEAPEST } from '../setup/runtimes.ts';
import { KilledServers, MANY_FILES } from './fork-kills.ts';
import { thingsOf } from './things.ts';

const engine = inject('engine');

test.each(CHEAPEST)(
  'a candidate is taken over once in the $runtime runtime, also if it is cut off while others are removed',
  async ({ runtime }) => {
    await using servers = await KilledServers.start(runtime);
    await servers.expectTakenOverOnce({ isKilledInRemoval: true });
  },
);

test.runIf(engine.available)(
  'candidates are made and do their work once, whenever the server is killed',
  async () => {
    await using servers = await KilledServers.start('docker');
    const { world } = servers;
    await servers.call('implement', { agent_id: 'one', task: `run:${MANY_FILES}` });
    const { turn_id } = await servers.call('implement', {
      ...{ agent_id: 'one', task: 'run:sleep 2; echo x >> x', candidates: 2, wait: false },
    });
    const candidates = [1, 2].map((index) => `one-try-${turn_id.slice(0, 8)}-${index}`);
    await expect.poll(() => thingsOf(world, candidates[0] ?? ''), { interval: 20 }).not.toEqual([]);
    await servers.killAndStart();
    // Both are at work.
    await expect.poll(() => world.model.requests.length, { timeout: 90_000 }).toBe(4);
    await servers.killAndStart();
    const { state, result } = await servers.call('wait_turn', { turn_id, timeout_seconds: 60 });
    expect(state).toBe('completed');
    expect(result.candidates).toMatchObject(
      Array(2).fill({ changes: [{ file: 'x', diff: expect.stringContaining('@@ -0,0 +1 @@') }] }),
    );
    expect((await servers.call('list_turns', {})).turns).toHaveLength(4);
    expect(await servers.names()).toEqual(['one', ...candidates].sort());
    await servers.call('promote_candidate', { turn_id, none: true });
    for (const each of candidates) expect(await thingsOf(world, each)).toEqual([]);
  },
);
