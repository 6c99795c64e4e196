import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newAgent } from '../../../src/agents/agent.ts';
import { SqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { storedEvents } from '../../../src/turns/events/event-feed.ts';
import type { TurnEvent } from '../../../src/turns/events/turn-event.ts';
import { TurnEvents } from '../../../src/turns/events/turn-events.ts';
import { TurnJournal } from '../../../src/turns/events/turn-journal.ts';
import { TurnActivity } from '../../../src/turns/turn-activity.ts';
import type { JournaledEvent } from '../../../src/turns/turn-store.ts';

const SECRET = 'sk-secret-0123456789';

let store: SqliteStore;
beforeEach(() => {
  store = SqliteStore.open(fs.mkdtempSync(path.join(os.tmpdir(), 'events-')));
  store.agents.put(newAgent('a'));
  const request = { agentId: 'a', tool: 'plan', args: {} };
  const createdAt = new Date();
  store.turns.put({ turnId: 't', agentId: 'a', tool: 'plan', state: 'queued', request, createdAt });
});
afterEach(() => store.close());

function open(): TurnEvents {
  const redact = (text: string) => text.replaceAll(SECRET, '[secret]');
  return new TurnEvents(new TurnJournal(store.turns, 't'), redact);
}

const message = (text: string): TurnEvent => ({ type: 'message', itemId: '1', text });

test('every listener gets the event as the journal has it, without secrets', () => {
  const events = open();
  const got: TurnEvent[] = [];
  const stop = events.listen((event) => got.push(event));
  events.listen((event, entry) => expect(entry?.event).toEqual(event));
  events.emit(message(`It is ${SECRET}.`));
  stop();
  events.emit(message('later'));
  events.flush();
  expect(got).toEqual([message('It is [secret].')]);
  const stored = [...storedEvents(store.turns, 't', 0)].map(({ event }) => event);
  expect(stored).toEqual([message('It is [secret].'), message('later')]);
});

test('a secret is not cut in two, so that half of it is kept', () => {
  const events = open();
  const activity = new TurnActivity();
  events.listen((event) => activity.add(event));
  // The cut of a long text is in the middle of the secret.
  const text = `${'x '.repeat(2035)}${SECRET} ${'y '.repeat(400)}`;
  events.emit(message(text));
  expect(JSON.stringify(activity.summary())).not.toContain('sk-secret');
});

test('who follows gets what the store does not have, then what comes', () => {
  const events = open();
  events.emit(message('stored'));
  events.flush();
  events.emit(message('unwritten'));
  const got: JournaledEvent[] = [];
  events.follow((entry) => got.push(entry));
  events.emit(message('fresh'));
  events.close();
  events.emit(message('after the end'));
  expect(got.map(({ seq, event }) => [seq, event])).toEqual([
    [2, message('unwritten')],
    [3, message('fresh')],
  ]);
});
