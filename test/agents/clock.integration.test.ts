import { pino } from 'pino';
import { afterEach, expect, inject, test, vi } from 'vitest';
import { dueTransition } from '../../src/agents/life/agent-life.ts';
import { sweep } from '../../src/agents/life/sweep.ts';
import { startIdleReaper } from '../../src/server/idle-reaper.ts';
import { AgentsRig } from './agents-rig.ts';

const engine = inject('engine');
const log = pino({ level: 'silent' });
const DAY_MS = 86_400_000;

afterEach(() => {
  vi.useRealTimers();
});

/** What a user or a network does to the clock: it says another time from now on. */
function setClock(byMs: number): void {
  vi.setSystemTime(Date.now() + byMs);
}

async function reap({ agents, store, config }: AgentsRig): Promise<void> {
  await agents.reconcile();
  await sweep({ agents, store, log, reason: 'idle' }, (life) =>
    dueTransition(life, new Date(), config),
  );
}

test('a clock that is set forward takes down nobody who works or has just worked', async () => {
  await using rig = await AgentsRig.start('process');
  await rig.use('idle');
  await rig.agents.withAgent('busy', async () => {
    setClock(30 * DAY_MS);
    await reap(rig);
    expect(rig.agents.statusOf('idle')).toBe('idle');
    expect(rig.agents.statusOf('busy')).toBe('busy');
  });
});

test('a clock that is set back keeps nobody up until the same time comes again', async () => {
  await using rig = await AgentsRig.start('process', { PAUSE_TIMEOUT: '0', SESSION_TIMEOUT: '1' });
  await rig.use('idle');
  await rig.use('stopped');
  await rig.agents.transition('stop', 'stopped');
  setClock(-365 * DAY_MS);
  await expect.poll(() => reap(rig).then(() => rig.agents.statusOf('idle'))).toBe('stopped');
  const usedAt = rig.store.agents.get('stopped')?.lastUsedAt.getTime();
  expect(usedAt).toBeLessThanOrEqual(Date.now());
});

test('the reaper goes on after the clock was set back', async () => {
  vi.useFakeTimers();
  let rounds = 0;
  const agents = {
    async reconcile() {
      rounds += 1;
    },
  };
  const stop = startIdleReaper({
    agents: agents as never,
    store: { agents: { list: () => [] } } as never,
    snapshots: { prune: () => [] },
    config: { REAPER_SCHEDULE: '* * * * * *' } as never,
    log,
  });
  await vi.advanceTimersByTimeAsync(3_000);
  expect(rounds).toBeGreaterThan(1);
  setClock(-365 * DAY_MS);
  rounds = 0;
  await vi.advanceTimersByTimeAsync(15_000);
  expect(rounds).toBeGreaterThan(1);
  await stop();
});

test.runIf(engine.available)(
  'an engine whose clock differs by now answers all the same',
  async () => {
    await using rig = await AgentsRig.start('docker', { DOCKER_OPERATION_TIMEOUT: '5' });
    await rig.use('a');
    setClock(DAY_MS);
    expect(await rig.stateOf('a')).toBe('running');
  },
);
