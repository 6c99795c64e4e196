import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { CHEAPEST } from '../setup/runtimes.ts';
import { AgentsRig } from './agents-rig.ts';

const PAUSES = 2;
const MANY = 10;
const FEW = 8;

describe.each(CHEAPEST)('agents in the $runtime runtime', ({ runtime: kind }) => {
  test('a paused agent wakes over the link it had', async () => {
    await using rig = await AgentsRig.start(kind);
    const { agents } = rig;
    const before = await agents.withAgent('a', async (link) => link);
    for (let round = 0; round < PAUSES; round += 1) {
      expect(await agents.transition('pause', 'a')).toBe(true);
      expect([agents.statusOf('a'), await rig.stateOf('a')]).toEqual(['paused', 'paused']);
      await agents.withAgent('a', async (link) => {
        expect(link).toBe(before);
        await link.codex.cleanBackgroundTerminals(await link.threads.main());
      });
      expect(agents.statusOf('a')).toBe('idle');
    }
  });

  test('calls that come while an agent is being paused wake it, all of them', async () => {
    await using rig = await AgentsRig.start(kind);
    await rig.use('a');
    const pausing = rig.agents.transition('pause', 'a');
    await Promise.all([rig.use('a'), rig.use('a'), rig.use('a')]);
    expect(await pausing).toBe(true);
    expect(rig.agents.statusOf('a')).toBe('idle');
  });

  test('of many agents that wake at once a few are started at a time', async () => {
    await using rig = await AgentsRig.start(kind);
    const create = vi.spyOn(rig.runtime, 'create');
    let awake = 0;
    const waiting: number[] = [];
    const wake = (agentId: string) =>
      rig.agents.withAgent(agentId, async () => {
        awake += 1;
        waiting.push(create.mock.calls.length - awake);
      });
    await Promise.all(Array.from({ length: MANY }, (_, index) => wake(`agent-${index}`)));
    expect(awake).toBe(MANY);
    expect(Math.max(...waiting)).toBeLessThanOrEqual(FEW);
  });

  test('an agent that is used is not put to sleep', async () => {
    await using rig = await AgentsRig.start(kind);
    await rig.agents.withAgent('a', async () => {
      expect(rig.agents.statusOf('a')).toBe('busy');
      for (const step of ['pause', 'stop', 'archive', 'remove'] as const) {
        expect(await rig.agents.transition(step, 'a')).toBe(false);
      }
    });
    expect(await rig.stateOf('a')).toBe('running');
  });

  test('an agent keeps its files through every sleep but the last', async () => {
    await using rig = await AgentsRig.start(kind);
    await rig.use('a');
    const { workspace } = rig.runtime.layout('a');
    await rig.shell('a', `echo kept > ${workspace}/file`);
    for (const [step, status] of [
      ['pause', 'paused'],
      ['stop', 'stopped'],
      ['archive', 'archived'],
    ] as const) {
      expect(await rig.agents.transition(step, 'a')).toBe(true);
      expect(rig.agents.statusOf('a')).toBe(status);
      await rig.use('a');
      expect(await rig.shell('a', `cat ${workspace}/file`)).toBe('kept\n');
      expect(rig.agents.statusOf('a')).toBe('idle');
    }
    expect(await rig.agents.transition('remove', 'a')).toBe(true);
    expect(rig.store.agents.get('a')).toBeUndefined();
    await rig.use('a');
    expect(await rig.shell('a', `cat ${workspace}/file 2>&1 || echo nothing`)).toContain('nothing');
  });

  test('a removed agent leaves nothing behind', async () => {
    await using rig = await AgentsRig.start(kind);
    await rig.use('a');
    await rig.agents.transition('pause', 'a');
    await rig.agents.transition('remove', 'a');
    expect(await rig.runtime.list()).toEqual([]);
    expect(await rig.leftBehind()).toEqual([]);
  });

  test('a call that comes while its agent is being removed begins anew', async () => {
    await using rig = await AgentsRig.start(kind);
    await rig.use('a');
    const { workspace } = rig.runtime.layout('a');
    await rig.shell('a', `echo old > ${workspace}/file`);
    let waiting = false;
    rig.isAwaited = () => waiting;
    const removing = rig.agents.transition('remove', 'a');
    waiting = true;
    await rig.use('a');
    expect(await removing).toBe(true);
    expect(rig.store.agents.get('a')).toBeDefined();
    expect(await rig.shell('a', `cat ${workspace}/file 2>&1 || echo nothing`)).toContain('nothing');
  });

  test('a paused agent is taken over by the next server', async () => {
    await using rig = await AgentsRig.start(kind);
    await rig.use('a');
    await rig.agents.transition('pause', 'a');
    await rig.restart();
    expect(rig.agents.statusOf('a')).toBe('paused');
    await rig.use('a');
    expect(rig.agents.statusOf('a')).toBe('idle');
  });

  test('a paused agent whose container is gone is made again', async () => {
    await using rig = await AgentsRig.start(kind);
    await rig.use('a');
    await rig.agents.transition('pause', 'a');
    await rig.runtime.remove('a', { volumes: false });
    await rig.use('a');
    expect(rig.agents.statusOf('a')).toBe('idle');
  });

  test('a new agent takes the place of a paused one, else of the longest idle', async () => {
    await using rig = await AgentsRig.start(kind, { MAX_CONCURRENT_SESSIONS: '2' });
    await rig.use('a');
    await sleep(5);
    await rig.use('b');
    await rig.agents.transition('pause', 'b');
    await rig.use('c');
    expect(statuses(rig, 'a', 'b', 'c')).toEqual(['idle', 'stopped', 'idle']);
    await rig.use('d');
    expect(statuses(rig, 'a', 'c', 'd')).toEqual(['stopped', 'idle', 'idle']);
  });

  test('the places of pinned and awaited agents are not given away', async () => {
    await using rig = await AgentsRig.start(kind, { MAX_CONCURRENT_SESSIONS: '2' });
    await rig.use('pinned');
    await rig.use('awaited');
    rig.store.agents.setPinned('pinned', true);
    rig.isAwaited = (agentId) => agentId === 'awaited';
    await expect(rig.use('c')).rejects.toMatchObject({ code: 'too_many_sessions' });
    expect(statuses(rig, 'pinned', 'awaited')).toEqual(['idle', 'idle']);
    rig.isAwaited = () => false;
    await rig.use('c');
    expect(statuses(rig, 'pinned', 'awaited')).toEqual(['idle', 'stopped']);
  });
});

function statuses({ agents }: AgentsRig, ...agentIds: string[]): string[] {
  return agentIds.map((agentId) => agents.statusOf(agentId));
}
