import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { AppError } from '../../errors.ts';

const GZIP = Buffer.from([0x1f, 0x8b]);

/**
 * The archive of tar in the body of a request, unpacked if gzip packed it, which its first bytes say.
 * Throws `invalid_input` for another encoding, `archive_invalid` for damaged gzip, `cancelled` if the
 * client goes away, and what of our errors the body was destroyed with.
 */
export function archiveIn(body: Readable, encoding: string | undefined): AsyncIterable<Uint8Array> {
  if (encoding !== undefined && !['gzip', 'x-gzip', 'identity'].includes(encoding.toLowerCase())) {
    throw new AppError('invalid_input', 'Send the archive as it is, or packed by gzip.');
  }
  return read(body);
}

async function* read(body: Readable): AsyncGenerator<Uint8Array> {
  const source = received(body);
  const first = await source.next();
  if (first.done) return;
  const all = chain(first.value, source);
  yield* first.value.subarray(0, GZIP.length).equals(GZIP) ? gunzipped(all) : all;
}

async function* received(body: Readable): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('cancelled', 'The client went away before the end of the archive.', {
      cause: error,
    });
  }
}

async function* chain(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

async function* gunzipped(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  const piped = pipeline(Readable.from(packed, { objectMode: false }), gunzip);
  piped.catch(() => undefined);
  try {
    yield* gunzip;
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('archive_invalid', 'The archive is damaged: gzip cannot unpack it.', {
      cause: error,
    });
  }
}
