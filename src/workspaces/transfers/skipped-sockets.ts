import type { Readable } from 'node:stream';

/** Longer than any path. */
const LINE_CHARACTERS = 8192;
const SKIPPED = /^tar: (.+): socket ignored$/;

/** Reads the standard error of tar, which reports each socket that it skips. */
export function onSkippedSocket(stderr: Readable, onSkipped: (path: string) => void): void {
  let rest = '';
  stderr.on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = (lines.pop() ?? '').slice(-LINE_CHARACTERS);
    for (const line of lines) {
      const [, path] = SKIPPED.exec(line) ?? [];
      if (path !== undefined) onSkipped(path);
    }
  });
}
