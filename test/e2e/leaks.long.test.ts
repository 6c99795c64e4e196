import { describe, expect, inject, test } from 'vitest';
import { startEngineRelay } from './engine-relay.ts';
import {
  containers,
  departedClientsLeaveNothing,
  docker,
  excess,
  inspectedWorld,
  killedServersLeaveNothing,
  programsOf,
  wakeAndStop,
  worksWith,
} from './leak-watch.ts';
import { createWorld, kill } from './main-process.ts';

const engine = inject('engine');
const RUNTIMES = [...(engine.available ? (['docker'] as const) : []), 'process' as const];
const ROUNDS = 3;
/** What each of them leaves behind is more than the slack. */
const SESSIONS = 20;
const CYCLES = 10;

describe.each(RUNTIMES)('in the %s runtime', (runtime) => {
  test('servers that were killed leave nothing', () => killedServersLeaveNothing(runtime, ROUNDS));

  test('agents that sleep hold nothing of the server', async () => {
    await using world = await inspectedWorld(runtime);
    const { server, before, look } = world;
    await wakeAndStop(server, CYCLES);
    await expect.poll(async () => excess(before, await look())).toEqual([]);
  });
});

test('clients that left hold nothing of the server', () => departedClientsLeaveNothing(SESSIONS));

describe.runIf(engine.available)('an engine that does not notice the end of servers', () => {
  test('has their sessions ended by the next, others stay', { timeout: 400_000 }, async () => {
    await using relay = await startEngineRelay();
    await using world = await createWorld('docker', { environment: { DOCKER_HOST: relay.url } });
    let server = await world.start();
    await worksWith(server);
    const look = () => programsOf(world);
    await expect.poll(() => look().length).toBeGreaterThan(3);
    const before = look();
    const [container = ''] = containers();
    docker('exec', '-d', container, 'sleep', '600');
    for (const state of ['running', 'paused']) {
      relay.loseClients();
      if (state === 'paused') docker('pause', container);
      await kill(server, 'SIGKILL');
      expect(look()).toEqual([...before, 'sleep'].sort());
      server = await world.start();
      await worksWith(server);
      await expect.poll(look).toEqual([...before, 'sleep'].sort());
    }
  });
});
