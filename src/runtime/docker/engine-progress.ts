import readline from 'node:readline';
import type { Readable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';

const messageSchema = z.looseObject({
  stream: z.string().optional(),
  status: z.string().optional(),
  id: z.string().optional(),
  progress: z.string().optional(),
  error: z.string().optional(),
});

/** Reads the messages of a build or a pull, which report a failure that the HTTP status does not. */
export async function readProgress(
  stream: Readable,
  onLine: (line: string) => void,
): Promise<{ error?: string }> {
  let error: string | undefined;
  for await (const text of readline.createInterface({ input: stream })) {
    if (text.trim() === '') continue;
    const message = messageSchema.parse(JSON.parse(text));
    error ??= message.error;
    for (const line of readableLines(message)) onLine(line);
  }
  return error === undefined ? {} : { error };
}

function readableLines(message: z.output<typeof messageSchema>): string[] {
  // Progress bars are too frequent; the steps around them are enough.
  if (message.progress) return [];
  const status = [message.id, message.status].filter(Boolean).join(': ');
  return `${message.stream ?? status}\n${message.error ?? ''}`
    .split(/[\r\n]+/)
    .map((line) => stripVTControlCharacters(line).trimEnd())
    .filter((line) => line !== '');
}
