import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { RunningAgents } from '../../src/agents/running-agents.ts';

const BEFORE = { idleSince: new Date(0), paused: false };

function running(limit: number, { mayEvict = true } = {}) {
  const evicted: string[] = [];
  const all: RunningAgents = new RunningAgents({
    limit,
    mayEvict: () => mayEvict,
    async evict(agent) {
      evicted.push(agent.agentId);
      await all.runExclusive(agent.agentId, async () => void all.remove(agent));
    },
  });
  return { all, evicted };
}

test('who finds only agents that are on their way down waits for the first of them', async () => {
  const { all, evicted } = running(2);
  all.adopt('paused', BEFORE);
  all.adopt('stopped', BEFORE);
  const pausing = all.runExclusive('paused', () => sleep(50));
  const stopping = all.runExclusive('stopped', () => sleep(60_000, undefined, { ref: false }));
  expect(await all.acquire('new')).toMatchObject({ agentId: 'new', users: 1 });
  expect(evicted).toEqual(['paused']);
  await pausing;
  stopping.catch(() => undefined);
});

test('a change that frees a agent makes room without taking another', async () => {
  const { all, evicted } = running(1);
  all.adopt('old', BEFORE);
  const agent = all.get('old');
  void all.runExclusive('old', async () => {
    await sleep(50);
    if (agent) all.remove(agent);
  });
  await expect(all.acquire('new')).resolves.toMatchObject({ agentId: 'new' });
  expect(evicted).toEqual([]);
  expect(all.all()).toHaveLength(1);
});

test('two calls for the same new agent share a agent over such a wait', async () => {
  const { all } = running(1);
  all.adopt('old', BEFORE);
  void all.runExclusive('old', () => sleep(50));
  const [first, second] = await Promise.all([all.acquire('new'), all.acquire('new')]);
  expect(first).toBe(second);
  expect(first.users).toBe(2);
});

test('busy and kept agents are not waited for', async () => {
  const { all } = running(2, { mayEvict: false });
  await all.acquire('busy');
  all.adopt('pinned', BEFORE);
  await expect(all.acquire('new')).rejects.toMatchObject({ code: 'too_many_sessions' });
  void all.runExclusive('pinned', () => sleep(50));
  await expect(all.acquire('new')).rejects.toMatchObject({ code: 'too_many_sessions' });
});

test('an agent that is held is not changed, and others may use it', async () => {
  const { all } = running(1);
  all.adopt('a', BEFORE);
  const task = Promise.withResolvers<string>();
  const held = all.hold('a', () => task.promise);
  expect(await all.runExclusive('a', async () => undefined)).toBe(false);
  const agent = await all.acquire('a');
  all.release(agent);
  task.resolve('done');
  expect(await held).toBe('done');
  expect(await all.runExclusive('a', async () => undefined)).toBe(true);
});

test('an agent that does not run is not woken while it is held, and who uses it waits', async () => {
  const { all } = running(1);
  const task = Promise.withResolvers<void>();
  const held = all.hold('a', () => task.promise);
  let taken = false;
  const taking = all.acquire('a').then(() => {
    taken = true;
  });
  expect(await all.runExclusive('a', async () => undefined)).toBe(false);
  expect(all.all()).toEqual([]);
  expect(taken).toBe(false);
  task.resolve();
  await Promise.all([held, taking]);
  expect(taken).toBe(true);
});
