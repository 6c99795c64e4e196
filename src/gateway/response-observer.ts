import type { IncomingMessage } from 'node:http';
import { createParser } from 'eventsource-parser';
import { z } from 'zod';
import { FREE, type MeteringPeriod } from './metering.ts';
import { failureOfEvent, type UpstreamFailure } from './upstream-failure.ts';

/** Longest event, or JSON answer, that is parsed. Longer ones are forwarded unmetered. */
const MAX_OBSERVED_BYTES = 32 * 1024 * 1024;
/** Avoids parsing the many events that carry a few characters each. */
const TERMINAL_EVENT = /"response\.(?:completed|incomplete|failed)"/;

const UNFINISHED: UpstreamFailure = {
  status: 200,
  code: 'model_unavailable',
  message: 'The model provider ended its answer before it was complete.',
};

const responseSchema = z
  .object({ usage: z.unknown(), error: z.unknown(), model: z.unknown() })
  .partial();
const terminalEventSchema = z.object({
  type: z.enum(['response.completed', 'response.incomplete', 'response.failed']),
  response: responseSchema,
});

type Meter = { period: MeteringPeriod; billed: boolean };

/** Reads an answer while it is forwarded. */
export type ResponseObserver = {
  see(chunk: Buffer): void;
  /** Called when the answer is complete. */
  end(): void;
};

/** Records the usage and the failure of an answer. */
export function observeResponse(answer: IncomingMessage, meter: Meter): ResponseObserver {
  const isStream = answer.headers['content-type']?.startsWith('text/event-stream');
  return isStream ? observeStream(meter) : observeJson(meter);
}

function observeStream(meter: Meter): ResponseObserver {
  const decoder = new TextDecoder();
  let readable = true;
  let settled = false;
  const parser = createParser({
    maxBufferSize: MAX_OBSERVED_BYTES,
    onEvent: ({ data }) => {
      if (TERMINAL_EVENT.test(data)) settled = settle(data, meter) || settled;
    },
    onError: (error) => {
      readable &&= error.type !== 'max-buffer-size-exceeded';
    },
  });
  return {
    see(chunk) {
      if (readable) parser.feed(decoder.decode(chunk, { stream: true }));
    },
    end() {
      if (readable && !settled) meter.period.recordFailure(UNFINISHED);
    },
  };
}

/** Returns whether this event ends the answer. */
function settle(data: string, { period, billed }: Meter): boolean {
  const event = terminalEventSchema.safeParse(parseJson(data)).data;
  if (!event) return false;
  const { usage, model } = event.response;
  period.addUsage(usage, billed ? model : FREE);
  if (event.type === 'response.failed') period.recordFailure(failureOfEvent(event.response.error));
  else period.recordCompletion();
  return true;
}

function observeJson({ period, billed }: Meter): ResponseObserver {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return {
    see(chunk) {
      bytes += chunk.length;
      if (bytes > MAX_OBSERVED_BYTES) chunks.length = 0;
      else chunks.push(chunk);
    },
    end() {
      if (bytes > MAX_OBSERVED_BYTES) return;
      const body = responseSchema.safeParse(parseJson(Buffer.concat(chunks).toString())).data;
      if (!body) return period.recordFailure(UNFINISHED);
      period.addUsage(body.usage, billed ? body.model : FREE);
      period.recordCompletion();
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
