import { PassThrough, type Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { checkedInput } from '../../checked-input.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { archiveIn } from './archive-body.ts';

/** Limits on the idle time and the total time of a transfer. */
export type TransferTimes = Pick<Config, 'TRANSFER_IDLE_TIMEOUT' | 'TRANSFER_TIMEOUT'>;

export type Transfer = Disposable & {
  /** Aborts with the reason when the client disconnects or a limit passes. */
  signal: AbortSignal;
};

/** Passes bodies on as streams, whatever their content type. */
export function takeBodiesRaw(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
}

/** Starts a transfer. The caller disposes the result at its end. */
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
  // Destroying the request would close its connection.
  signal.addEventListener('abort', () => body.destroy(signal.reason));
  // The reader of the body gets this error too; the listener covers the time before and after.
  body.on('error', () => raw.unpipe(body));
  raw.on('error', (error) => body.destroy(error));
  raw.pipe(body);
  const { TRANSFER_IDLE_TIMEOUT: seconds } = times;
  const expect = () => {
    if (raw.readableEnded) return;
    reply.raw.setTimeout(seconds * 1000, () => over.abort(late(`moved nothing for ${seconds} s`)));
  };
  // Placing what has arrived has no idle limit.
  raw.once('end', () => reply.raw.setTimeout(0));
  return { archive: begun(archive, expect), signal, ...disposal };
}

/** Reports its first read: an agent may take long to wake before it. */
async function* begun(archive: AsyncIterable<Uint8Array>, tell: () => void) {
  tell();
  yield* archive;
}

/** Sends a stream to a client. Resolves at the end. */
export async function sendArchive(
  reply: FastifyReply,
  archive: Readable,
  signal: AbortSignal,
  { TRANSFER_IDLE_TIMEOUT }: TransferTimes,
): Promise<void> {
  const { raw } = reply;
  // In any case: the end of an archive shows its reader whether it is complete.
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
