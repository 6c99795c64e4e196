import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const CHUNK = Buffer.alloc(4096);

/** A file system of a few megabytes that can be filled. Undefined where this user may not mount one. */
export function mountSmallDisk(megabytes: number): SmallDisk | undefined {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory]);
  } catch {
    fs.rmdirSync(directory);
    return undefined;
  }
  const filler = path.join(directory, 'filler');
  return {
    directory,
    fill() {
      const file = fs.openSync(filler, 'a');
      try {
        for (;;) fs.writeSync(file, CHUNK);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        fs.closeSync(file);
      }
    },
    free: () => fs.rmSync(filler, { force: true }),
    [Symbol.dispose]() {
      execFileSync('umount', ['--lazy', directory]);
      fs.rmdirSync(directory);
    },
  };
}

type SmallDisk = Disposable & {
  readonly directory: string;
  fill(): void;
  free(): void;
};
