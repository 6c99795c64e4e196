import type { Readable } from 'node:stream';

const CHARACTERS_KEPT = 2_000;

/** Reads what a program says on standard error, however much; what is returned tells the end of it so far. */
export function lastWords(stderr: Readable): () => string {
  let words = '';
  stderr.on('data', (chunk) => {
    words = (words + chunk).slice(-CHARACTERS_KEPT);
  });
  return () => words.trim();
}
