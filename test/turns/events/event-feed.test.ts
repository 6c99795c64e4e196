import { expect, test } from 'vitest';
import { EventFeed } from '../../../src/turns/events/event-feed.ts';
import type { JournaledEvent } from '../../../src/turns/turn-store.ts';

const event = (seq: number): JournaledEvent => ({
  seq,
  at: new Date(seq),
  event: { type: 'context_compacted' },
});

test('a reader that is 1000 events behind is cut off after those it has', async () => {
  const feed = new EventFeed();
  for (let seq = 1; seq <= 3000; seq += 1) feed.push(event(seq));
  const read = await all(feed);
  expect(read.map(({ seq }) => seq)).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
});

test('a reader that keeps up has all of any number', async () => {
  const feed = new EventFeed();
  const reading = all(feed);
  for (let seq = 1; seq <= 3000; seq += 1) {
    feed.push(event(seq));
    if (seq % 500 === 0) await new Promise(setImmediate);
  }
  feed.end();
  expect(await reading).toHaveLength(3000);
});

async function all(feed: EventFeed): Promise<JournaledEvent[]> {
  const read: JournaledEvent[] = [];
  for await (const each of feed) read.push(each);
  return read;
}
