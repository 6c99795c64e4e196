import { PassThrough, type Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { checkedInput } from '../../checked-input.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { archiveIn } from './archive-body.ts';

/** How long a transfer may move nothing, and take in all. */
export type TransferTimes = Pick<Config, 'TRANSFER_IDLE_TIMEOUT' | 'TRANSFER_TIMEOUT'>;

export type Transfer = Disposable & {
  /** Aborted with the reason when the client goes away, or takes longer than any may. */
  signal: AbortSignal;
};

/** Has bodies handed on as they arrive, whatever a client calls them. */
export function takeBodiesRaw(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
}

/** A transfer that has begun, to be disposed of at its end. */
export function beginTransfer({ raw }: FastifyReply, { TRANSFER_TIMEOUT }: TransferTimes) {
  const over = new AbortController();
  const { signal } = over;
  const onClose = () => {
    if (!raw.writableFinished) over.abort(new AppError('cancelled', 'The client went away.'));
  };
  if (raw.destroyed) onClose();
  raw.once('close', onClose);
  const timer = setTimeout(
    () => over.abort(late(`took longer than ${TRANSFER_TIMEOUT} s`)),
    TRANSFER_TIMEOUT * 1000,
  ).unref();
  return { over, signal, [Symbol.dispose]: () => clearTimeout(timer) };
}

/**
 * The archive in the body of a request, for as long as it moves. It ends with the reason of the
 * signal, and its connection stays, so that the client can be told. Throws what `archiveIn` throws.
 */
export function receiveArchive(
  { raw, headers }: FastifyRequest,
  reply: FastifyReply,
  times: TransferTimes,
): Transfer & { archive: AsyncIterable<Uint8Array> } {
  const body = new PassThrough();
  const archive = archiveIn(body, headers['content-encoding']);
  const { over, signal, ...disposal } = beginTransfer(reply, times);
  // Destroyed, the request would take its connection with it.
  signal.addEventListener('abort', () => body.destroy(signal.reason));
  // Whoever reads it hears of it too; this is for the time before and after.
  body.on('error', () => raw.unpipe(body));
  raw.on('error', (error) => body.destroy(error));
  raw.pipe(body);
  const { TRANSFER_IDLE_TIMEOUT: seconds } = times;
  const expect = () => {
    if (raw.readableEnded) return;
    reply.raw.setTimeout(seconds * 1000, () => over.abort(late(`moved nothing for ${seconds} s`)));
  };
  // What has arrived may take its time to be put in place.
  raw.once('end', () => reply.raw.setTimeout(0));
  return { archive: begun(archive, expect), signal, ...disposal };
}

/** Tells when it is first read: an agent may take its time to wake before that. */
async function* begun(archive: AsyncIterable<Uint8Array>, tell: () => void) {
  tell();
  yield* archive;
}

/** Sends what waits for its reader, to one that takes it; resolves when that is over. */
export async function sendArchive(
  reply: FastifyReply,
  archive: Readable,
  signal: AbortSignal,
  { TRANSFER_IDLE_TIMEOUT }: TransferTimes,
): Promise<void> {
  const { raw } = reply;
  // However it ends: a reader sees at the end of an archive whether it is whole.
  const end = () => raw.destroy();
  raw.setTimeout(TRANSFER_IDLE_TIMEOUT * 1000, end);
  signal.addEventListener('abort', end);
  void reply.send(archive);
  await finished(raw).catch(() => undefined);
  archive.destroy();
}

/** The query of a request. Throws `invalid_input`. */
export function queryOf<T extends z.ZodType>(schema: T, { query }: FastifyRequest): z.output<T> {
  return checkedInput(schema, query, 'The query') as z.output<T>;
}

function late(what: string): AppError {
  return new AppError('request_timeout', `The transfer ${what}.`);
}
