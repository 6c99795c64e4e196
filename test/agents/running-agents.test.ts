import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { AgentPlaces } from '../../src/agents/running-agents.ts';

const BEFORE = { idleSince: new Date(0), paused: false };

function places(limit: number, { mayEvict = true } = {}) {
  const evicted: string[] = [];
  const all: AgentPlaces = new AgentPlaces({
    limit,
    mayEvict: () => mayEvict,
    async evict(place) {
      evicted.push(place.agentId);
      await all.change(place.agentId, async () => void all.free(place));
    },
  });
  return { all, evicted };
}

test('who finds only agents that are on their way down waits for the first of them', async () => {
  const { all, evicted } = places(2);
  all.occupy('paused', BEFORE);
  all.occupy('stopped', BEFORE);
  const pausing = all.change('paused', () => sleep(50));
  const stopping = all.change('stopped', () => sleep(60_000, undefined, { ref: false }));
  expect(await all.take('new')).toMatchObject({ agentId: 'new', users: 1 });
  expect(evicted).toEqual(['paused']);
  await pausing;
  stopping.catch(() => undefined);
});

test('a change that frees a place makes room without taking another', async () => {
  const { all, evicted } = places(1);
  all.occupy('old', BEFORE);
  const place = all.get('old');
  void all.change('old', async () => {
    await sleep(50);
    if (place) all.free(place);
  });
  await expect(all.take('new')).resolves.toMatchObject({ agentId: 'new' });
  expect(evicted).toEqual([]);
  expect(all.all()).toHaveLength(1);
});

test('two calls for the same new agent share a place over such a wait', async () => {
  const { all } = places(1);
  all.occupy('old', BEFORE);
  void all.change('old', () => sleep(50));
  const [first, second] = await Promise.all([all.take('new'), all.take('new')]);
  expect(first).toBe(second);
  expect(first.users).toBe(2);
});

test('busy and kept agents are not waited for', async () => {
  const { all } = places(2, { mayEvict: false });
  await all.take('busy');
  all.occupy('pinned', BEFORE);
  await expect(all.take('new')).rejects.toMatchObject({ code: 'too_many_sessions' });
  void all.change('pinned', () => sleep(50));
  await expect(all.take('new')).rejects.toMatchObject({ code: 'too_many_sessions' });
});

test('an agent that is held keeps its place, and others may use it', async () => {
  const { all } = places(1);
  all.occupy('a', BEFORE);
  const task = Promise.withResolvers<string>();
  const held = all.hold('a', () => task.promise);
  expect(await all.change('a', async () => undefined)).toBe(false);
  const place = await all.take('a');
  all.leave(place);
  task.resolve('done');
  expect(await held).toBe('done');
  expect(await all.change('a', async () => undefined)).toBe(true);
});

test('an agent without a place gets none while it is held, and who uses it waits', async () => {
  const { all } = places(1);
  const task = Promise.withResolvers<void>();
  const held = all.hold('a', () => task.promise);
  let taken = false;
  const taking = all.take('a').then(() => {
    taken = true;
  });
  expect(await all.change('a', async () => undefined)).toBe(false);
  expect(all.all()).toEqual([]);
  expect(taken).toBe(false);
  task.resolve();
  await Promise.all([held, taking]);
  expect(taken).toBe(true);
});
