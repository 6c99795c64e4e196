import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CHEAPEST } from '../setup/runtimes.ts';
import { KilledServers, MANY_FILES } from './fork-kills.ts';
import { thingsOf } from './things.ts';

/** No other test on the engine has an agent of this name. */
const FORK = `fork-${process.pid}`;

describe.each(CHEAPEST)('in the $runtime runtime', ({ runtime }) => {
  let servers: KilledServers;
  beforeAll(async () => {
    servers = await KilledServers.start(runtime);
  });
  afterAll(() => servers?.[Symbol.asyncDispose]());

  test('a candidate is taken over once, although that is cut off', () =>
    servers.expectTakenOverOnce({ isKilledInRemoval: false }));

  test('half a fork is nobody, and forking can be repeated', async () => {
    await servers.call('implement', { agent_id: 'one', task: `run:${MANY_FILES}` });
    const fork = { agent_id: 'one', new_agent_id: FORK };
    servers.begin('fork_agent', fork);
    await expect.poll(() => thingsOf(servers.world, FORK), { interval: 20 }).not.toEqual([]);
    await servers.killAndStart();
    expect(await servers.names()).toEqual(['one']);
    await expect.poll(() => thingsOf(servers.world, FORK)).toEqual([]);
    await servers.call('fork_agent', fork);
    const count = { agent_id: FORK, task: 'run:ls .cache | wc -l > count' };
    const { changes } = await servers.call('implement', count);
    expect(changes).toMatchObject([{ diff: expect.stringContaining('+20000') }]);
    expect(await servers.names()).toEqual([FORK, 'one'].sort());
  });
});
