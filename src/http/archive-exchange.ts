import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { checkedInput } from '../checked-input.ts';

/** A client that sends or takes nothing for so long is let go. */
export const READER_SILENCE_MS = 60_000;
/** An upload keeps others from the agent. */
const UPLOAD_MS = 3_600_000;

/** Has bodies handed on as they arrive, whatever a client calls them. */
export function takeBodiesRaw(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
}

/** Sends an archive as it comes, to a reader that takes it. */
export async function sendArchive(
  reply: FastifyReply,
  archive: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { raw } = reply;
  const stream = Readable.from(archive, { objectMode: false });
  raw.setTimeout(READER_SILENCE_MS, () => raw.destroy());
  void reply.type('application/x-tar').send(stream);
  // However it ends: a reader sees at the end of an archive whether it is whole.
  await finished(raw).catch(() => undefined);
  stream.destroy();
}

/** Lets an upload go that does not come; call what is returned when it is there. */
export function giveUpLate({ raw }: FastifyRequest): { cancel(): void } {
  raw.setTimeout(READER_SILENCE_MS, () => {
    if (!raw.complete) raw.destroy();
  });
  const timer = setTimeout(() => {
    if (!raw.complete) raw.destroy();
  }, UPLOAD_MS).unref();
  return { cancel: () => clearTimeout(timer) };
}

/** The query of a request. Throws `invalid_input`. */
export function queryOf<T extends z.ZodType>(schema: T, { query }: FastifyRequest): z.output<T> {
  return checkedInput(schema, query, 'The query') as z.output<T>;
}
