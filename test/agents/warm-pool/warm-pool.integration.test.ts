import { describe, expect, test } from 'vitest';
import { newAgent } from '../../../src/agents/agent.ts';
import { CHEAPEST } from '../../setup/runtimes.ts';
import { AgentsRig } from '../agents-rig.ts';

const CLAIMS = 2;

describe.each(CHEAPEST)('the warm pool in the $runtime runtime', ({ runtime: kind }) => {
  const start = async (size: number) => {
    const rig = await AgentsRig.start(kind, { WARM_POOL_SIZE: String(size) });
    await rig.agents.reconcile();
    await untilReady(rig, size);
    return rig;
  };

  test('a new agent gets a container that was ready, and the pool is refilled', async () => {
    await using rig = await start(1);
    for (let claim = 0; claim < CLAIMS; claim += 1) {
      const [slot] = unclaimed(rig);
      const agentId = `agent-${claim}`;
      await rig.agents.withAgent(agentId, ({ threads }) => threads.main());
      expect(rig.store.warmContainers.of(agentId)?.id).toBe(slot?.id);
      await untilReady(rig, 1);
    }
  });

  test('two agents that come at once never get the same container', async () => {
    await using rig = await start(1);
    await Promise.all(['a', 'b', 'c'].map((agentId) => rig.use(agentId)));
    const claimed = rig.store.warmContainers.list().filter(({ agentId }) => agentId !== undefined);
    expect(claimed).toHaveLength(1);
    await untilReady(rig, 1);
    expect(await rig.runtime.list()).toHaveLength(4);
    const tokens = rig.store.agents.list().map(({ tokenSha256 }) => tokenSha256);
    expect(new Set(tokens).size).toBe(3);
  });

  test('a claim outlives the server that dies before it uses it', async () => {
    await using rig = await start(2);
    await rig.pool.claim('a')?.close();
    // The other one dies even before it has written the agent.
    rig.store.agents.put(newAgent('b'));
    rig.store.warmContainers.claim('b');
    const warmContainers = ['a', 'b'].map((agentId) => rig.store.warmContainers.of(agentId)?.id);
    await rig.restart();
    for (const agentId of ['a', 'b']) await rig.use(agentId);
    expect(['a', 'b'].map((agentId) => rig.store.warmContainers.of(agentId)?.id)).toEqual(
      warmContainers,
    );
    expect(new Set(warmContainers).size).toBe(2);
    expect(await rig.runtime.inspect('a')).toBeUndefined();
    expect(['a', 'b'].map((agentId) => rig.agents.statusOf(agentId))).toEqual(['idle', 'idle']);
  });

  test('the pool outlives a restart, and is neither reaped nor taken for an agent', async () => {
    await using rig = await start(2);
    const before = (await rig.runtime.list()).map(({ id }) => id).sort();
    await rig.restart();
    await untilReady(rig, 2);
    const after = await rig.runtime.list();
    expect(after.map(({ id }) => id).sort()).toEqual(before);
    expect(after.map(({ state }) => state)).toEqual(['paused', 'paused']);
    expect(rig.agents.counts()).toEqual({ active: 0, busy: 0 });
  });

  test('what is half made or touched by hand is replaced', async () => {
    await using rig = await start(1);
    const [touched] = unclaimed(rig);
    await rig.runtime.stop(touched?.id ?? '', { graceSeconds: 0 });
    rig.store.warmContainers.add({ id: 'slot-half', tokenSha256: 'ab' });
    await rig.runtime.create({ agentId: 'slot-half', env: {} });
    await rig.restart();
    await expect
      .poll(async () => (await rig.runtime.list()).map(({ agentId, state }) => [agentId, state]))
      .toEqual([[expect.not.stringMatching(`${touched?.id}|slot-half`), 'paused']]);
    await untilReady(rig, 1);
    expect((await rig.runtime.listVolumes()).map(({ agentId }) => agentId)).toEqual([
      unclaimed(rig)[0]?.id,
    ]);
  });

  test('a server that leaves nothing running takes its pool with it', async () => {
    await using rig = await start(1);
    await rig.use('a');
    await rig.agents.close({ stopAgents: true });
    expect((await rig.runtime.list()).map(({ state }) => state)).toEqual(['stopped']);
    expect(unclaimed(rig)).toEqual([]);
  });

  test('an agent from the pool sleeps, wakes and goes like any other', async () => {
    await using rig = await start(1);
    await rig.use('a');
    const slot = rig.store.warmContainers.of('a')?.id ?? '';
    const { workspace } = rig.runtime.layout(slot);
    await rig.shell(slot, `echo kept > ${workspace}/file`);
    for (const step of ['pause', 'stop', 'archive'] as const) {
      await rig.agents.transition(step, 'a');
      await rig.agents.reconcile();
      await rig.use('a');
      expect(await rig.shell(slot, `cat ${workspace}/file`)).toBe('kept\n');
    }
    await rig.agents.transition('remove', 'a');
    expect(rig.store.warmContainers.of('a')).toBeUndefined();
    await untilReady(rig, 1);
    expect((await rig.runtime.listVolumes()).map(({ agentId }) => agentId)).toEqual([
      unclaimed(rig)[0]?.id,
    ]);
  });
});

function unclaimed({ store }: AgentsRig) {
  return store.warmContainers.list().filter(({ agentId }) => agentId === undefined);
}

async function untilReady(rig: AgentsRig, size: number): Promise<void> {
  await expect
    .poll(() => unclaimed(rig).filter(({ ready }) => ready).length, { interval: 50 })
    .toBe(size);
}
