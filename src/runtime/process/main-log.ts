import fs from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';

const ROTATE_BYTES = 10 * 1024 * 1024;
const TAIL_BYTES = 512 * 1024;

/** Opens a log for appending, and truncates a large one to its end. */
export async function openLog(file: string): Promise<fs.FileHandle> {
  if ((await sizeOf(file)) > ROTATE_BYTES) {
    await fs.writeFile(file, await readEnd(file), { mode: 0o600 });
  }
  return await fs.open(file, 'a', 0o600);
}

/** The last lines of a log; empty for a missing one. */
export async function tailLog(file: string, lines: number): Promise<string> {
  if (lines <= 0 || (await sizeOf(file)) === 0) return '';
  const text = stripVTControlCharacters((await readEnd(file)).toString('utf8')).replace(/\n$/, '');
  return text.split('\n').slice(-lines).join('\n');
}

async function sizeOf(file: string): Promise<number> {
  return await fs.stat(file).then(
    (stats) => stats.size,
    () => 0,
  );
}

async function readEnd(file: string): Promise<Buffer> {
  const handle = await fs.open(file, 'r');
  try {
    const { size } = await handle.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const buffer = Buffer.alloc(size - start);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, start);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
