import { EventSourceParserStream } from 'eventsource-parser/stream';
import { z } from 'zod';

const FIRST = 'turn_started';
const eventSchema = z.object({ at: z.coerce.date() });

/** When Codex said that a turn has begun, in milliseconds since the epoch, by the clock of the server. */
export async function firstEventAt(serverUrl: string, turnId: string): Promise<number> {
  const { body } = await fetch(`${serverUrl}/api/v1/turns/${turnId}/events`, {
    headers: { accept: 'text/event-stream' },
  });
  if (!body) throw new Error('The server gives no events.');
  const events = body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
  for await (const { event, data } of events) {
    if (event === FIRST) return eventSchema.parse(JSON.parse(data)).at.getTime();
  }
  throw new Error('A turn has no events.');
}
