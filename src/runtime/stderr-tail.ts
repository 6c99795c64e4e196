import type { Readable } from 'node:stream';

const CHARACTERS_KEPT = 2_000;

/** Reads standard error; the returned function returns its last 2,000 characters so far. */
export function stderrTail(stderr: Readable): () => string {
  let tail = '';
  stderr.on('data', (chunk) => {
    tail = (tail + chunk).slice(-CHARACTERS_KEPT);
  });
  return () => tail.trim();
}
