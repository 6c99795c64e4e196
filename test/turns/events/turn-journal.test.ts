import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { newAgent } from '../../../src/agents/agent.ts';
import { SqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { storedEvents } from '../../../src/turns/events/event-feed.ts';
import type { TurnEvent } from '../../../src/turns/events/turn-event.ts';
import { TurnJournal } from '../../../src/turns/events/turn-journal.ts';
import { forgetOldTurns } from '../../../src/turns/turn-retention.ts';

const stores: SqliteStore[] = [];
afterEach(() => {
  for (const store of stores.splice(0)) store.close();
});

const small: TurnEvent = { type: 'context_compacted' };
const CUT = { type: 'warning', message: 'What the turn does from here is not recorded.' };

test('5000 events of a turn are kept, the last of which says that there were more', () => {
  const { journal, written } = open();
  const entries = Array.from({ length: 6000 }, () => journal.add(small));
  journal.flush();
  expect(written()).toEqual(entries.slice(0, 5000));
  expect(entries.slice(5000).every((entry) => entry === undefined)).toBe(true);
  expect(written().at(-2)?.event).toEqual(small);
  expect(written().at(-1)).toMatchObject({ seq: 5000, event: CUT });
});

test('8 MiB of events are kept, and the next server keeps no more', () => {
  const { journal, written, again } = open();
  const big: TurnEvent = { type: 'warning', message: 'x'.repeat(1024 * 1024) };
  for (let count = 0; count < 10; count += 1) journal.add(big);
  journal.flush();
  expect(written()).toHaveLength(8);
  expect(written().at(-1)?.event).toEqual(CUT);
  const next = again();
  next.add(small);
  next.flush();
  expect(written()).toHaveLength(8);
});

test('the next server goes on counting where the last one was', () => {
  const { journal, written, again } = open();
  for (let count = 0; count < 4000; count += 1) journal.add(small);
  journal.flush();
  const next = again();
  for (let count = 0; count < 2000; count += 1) next.add(small);
  next.flush();
  expect(written().map(({ seq }) => seq)).toEqual(Array.from({ length: 5000 }, (_, i) => i + 1));
  expect(written().at(-1)?.event).toEqual(CUT);
});

test('turns are forgotten after their time, in as many bites as it takes, and others never', async () => {
  const { store } = open();
  const past = new Date(Date.now() - 60_000);
  for (let count = 0; count < 50; count += 1) put(store, `old-${count}`, past);
  put(store, 'new', new Date());
  expect(await forgetOldTurns(store.turns, 0)).toBe(0);
  expect(await forgetOldTurns(store.turns, 3600)).toBe(0);
  expect(await forgetOldTurns(store.turns, 30)).toBe(50);
  expect(store.turns.list({ limit: 99 }).map(({ turnId }) => turnId)).toEqual(['new', 't']);
});

/** A turn `t` in a store of its own, with a journal. */
function open() {
  const store = SqliteStore.open(fs.mkdtempSync(path.join(os.tmpdir(), 'journal-')));
  stores.push(store);
  store.agents.put(newAgent('a'));
  put(store, 't');
  const again = () => new TurnJournal(store.turns, 't');
  const written = () => [...storedEvents(store.turns, 't', 0)];
  return { store, journal: again(), written, again };
}

function put(store: SqliteStore, turnId: string, endedAt?: Date): void {
  const request = { agentId: 'a', tool: 'plan', args: {} };
  const state = endedAt ? 'completed' : 'queued';
  const createdAt = new Date(endedAt ?? 0);
  store.turns.put({
    turnId,
    agentId: 'a',
    tool: 'plan',
    state,
    request,
    createdAt,
    ...(endedAt && { endedAt }),
  });
}
