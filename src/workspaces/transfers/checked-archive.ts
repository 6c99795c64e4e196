import { type Extract, extract, type Pack, pack } from 'tar-stream';
import { drained } from '../../concurrency/drained.ts';
import { AppError } from '../../errors.ts';
import type { EntryHeader } from './archive-rules.ts';

type Entry = Extract extends AsyncIterable<infer E> ? E : never;

export type EntryRules = {
  /** The new header of an entry; undefined drops the entry. */
  headerFor(read: EntryHeader): EntryHeader | undefined;
  /** The new content of a file, which must have the same length. */
  contentOf?(header: EntryHeader, content: AsyncIterable<Buffer>): AsyncIterable<Buffer>;
};

/**
 * Parses an archive and writes a new one, entry by entry, by its rules. It holds one chunk in memory.
 * Throws `archive_invalid` for an invalid archive, and the errors of the rules and of `source`.
 */
export async function* checkedArchive(
  source: AsyncIterable<Uint8Array>,
  rules: EntryRules,
): AsyncGenerator<Uint8Array> {
  const unpacked = extract();
  const packed = pack();
  // The first failure ends all streams.
  let failure: unknown;
  const fail = (error: unknown) => {
    failure ??= error;
    unpacked.destroy();
    packed.destroy();
  };
  unpacked.on('error', (error) => fail(unreadable(error)));
  packed.on('error', fail);
  const parts = [
    feed(source, unpacked).catch(fail),
    copy(unpacked, packed, rules).catch((error) => fail(unreadable(error))),
  ];
  try {
    for await (const chunk of packed) yield chunk as Uint8Array;
    await Promise.all(parts);
  } catch (error) {
    fail(error);
  } finally {
    fail(undefined);
    unpacked.destroy();
    packed.destroy();
  }
  if (failure !== undefined) throw failure;
}

async function feed(source: AsyncIterable<Uint8Array>, unpacked: Extract): Promise<void> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (unpacked.destroyed) return;
    if (!unpacked.write(chunk)) await drained(unpacked);
  }
  // An empty body would count as an archive without files, and empty the workspace.
  if (bytes === 0) throw new AppError('archive_invalid', 'The archive is empty.');
  unpacked.end(undefined);
}

async function copy(unpacked: Extract, packed: Pack, rules: EntryRules): Promise<void> {
  for await (const entry of unpacked) {
    const header = rules.headerFor(entry.header);
    if (header) await copyEntry(entry, packed, { header, rules });
    else entry.resume();
  }
  packed.finalize();
}

async function copyEntry(
  entry: Entry,
  packed: Pack,
  { header, rules }: { header: EntryHeader; rules: EntryRules },
): Promise<void> {
  const written = Promise.withResolvers<void>();
  written.promise.catch(() => undefined);
  const sink = packed.entry(header, (error) => (error ? written.reject(error) : written.resolve()));
  if (header.type !== 'file') {
    entry.resume();
  } else {
    const given = entry as AsyncIterable<Buffer>;
    const content = rules.contentOf?.(header, given) ?? given;
    for await (const chunk of content) if (!sink.write(chunk)) await drained(sink);
    sink.end(undefined);
  }
  await written.promise;
}

function unreadable(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const reason = error instanceof Error ? error.message : 'the reason is unknown';
  return new AppError('archive_invalid', `The body is not a tar archive: ${reason}.`, {
    cause: error,
  });
}
