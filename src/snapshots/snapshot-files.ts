import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { z } from 'zod';
import { AppError } from '../errors.ts';

const DIRECTORY = 'snapshots';
const ENDING = '.tar.gz';
const PART = '.part';
/** Half of the time of the usual level, for files that are a few percent larger. */
const GZIP_LEVEL = 3;
/** Bytes between two checks of the disk. */
const CHECK_BYTES = 16 * 1024 * 1024;

type Options = {
  dataDir: string;
  /** Bytes that stay free on the disk. */
  reserveBytes: number;
};

/** The files of snapshots, each complete or absent. */
export class SnapshotFiles {
  readonly #directory: string;
  readonly #reserve: number;

  constructor({ dataDir, reserveBytes }: Options) {
    this.#directory = path.join(dataDir, DIRECTORY);
    this.#reserve = reserveBytes;
  }

  /** Removes partial files and files of unknown snapshots, which a killed server left. */
  clear(known: ReadonlySet<string>): void {
    fs.mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    for (const name of fs.readdirSync(this.#directory)) {
      const [id = ''] = name.split('.', 1);
      const isOurs = name === `${id}${ENDING}` || name === `${id}${ENDING}${PART}`;
      if (!isOurs || !z.uuid().safeParse(id).success) continue;
      if (name.endsWith(PART) || !known.has(id)) fs.rmSync(path.join(this.#directory, name));
    }
  }

  /**
   * Writes an archive as gzip; `check` is called with the size now and then. Throws `storage_full`
   * before the disk has less than the reserve, and what `archive` and `check` throw; then there is no
   * file.
   */
  async write(
    snapshotId: string,
    archive: AsyncIterable<Uint8Array>,
    check: (bytes: number) => void = () => undefined,
  ): Promise<{ bytes: number; sha256: string }> {
    this.#assertRoom();
    const file = this.#fileOf(snapshotId);
    const part = `${file}${PART}`;
    const hash = createHash('sha256');
    let bytes = 0;
    const tell = (chunk: Buffer) => {
      bytes += chunk.length;
      hash.update(chunk);
    };
    const watch = this.#watching(tell, () => check(bytes));
    try {
      // Opened before the pipeline, which may fail before a stream by path has created its file.
      const handle = await fs.promises.open(part, 'wx', 0o600);
      const out = handle.createWriteStream({ flush: true });
      await pipeline(archive, createGzip({ level: GZIP_LEVEL }), watch, out);
      fs.renameSync(part, file);
      syncDirectory(this.#directory);
    } catch (error) {
      this.remove(snapshotId);
      throw fullDisk(error);
    }
    return { bytes, sha256: hash.digest('hex') };
  }

  /** Throws `snapshot_not_found` if the file is gone. */
  async open(snapshotId: string): Promise<fs.ReadStream> {
    const handle = await fs.promises.open(this.#fileOf(snapshotId)).catch((cause: unknown) => {
      const message = `The file of snapshot ${snapshotId} is gone.`;
      throw new AppError('snapshot_not_found', message, { cause });
    });
    return handle.createReadStream();
  }

  remove(snapshotId: string): void {
    const file = this.#fileOf(snapshotId);
    for (const name of [file, `${file}${PART}`]) fs.rmSync(name, { force: true });
  }

  #fileOf(snapshotId: string): string {
    return path.join(this.#directory, `${snapshotId}${ENDING}`);
  }

  #watching(tell: (chunk: Buffer) => void, check: () => void) {
    const assertRoom = () => {
      this.#assertRoom();
      check();
    };
    return async function* watch(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      let unseen = 0;
      for await (const chunk of chunks) {
        unseen += chunk.length;
        if (unseen >= CHECK_BYTES) {
          assertRoom();
          unseen = 0;
        }
        tell(chunk);
        yield chunk;
      }
    };
  }

  #assertRoom(): void {
    const { bavail, bsize } = fs.statfsSync(this.#directory);
    const free = bavail * bsize;
    if (free > this.#reserve) return;
    throw new AppError(
      'storage_full',
      `The disk of DATA_DIR has ${free} bytes left; SNAPSHOT_DISK_RESERVE keeps ${this.#reserve} free. Delete snapshots, or free space.`,
      { data: { free_bytes: free, reserve_bytes: this.#reserve } },
    );
  }
}

function fullDisk(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  const message = 'The disk of DATA_DIR is full; no snapshot was made.';
  return new AppError('storage_full', message, { cause: error });
}

/** A renamed file is durable once its directory is. */
function syncDirectory(directory: string): void {
  const fd = fs.openSync(directory, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
