import type { Readable } from 'node:stream';

/** Of a line: no path is longer. */
const KEPT = 8192;
const LEFT_OUT = /^tar: (.+): socket ignored$/;

/** Reads to its end what tar complains of; it puts no socket into an archive, and says so of each. */
export function onSocketLeftOut(stderr: Readable, tell: (path: string) => void): void {
  let rest = '';
  stderr.on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = (lines.pop() ?? '').slice(-KEPT);
    for (const line of lines) {
      const [, path] = LEFT_OUT.exec(line) ?? [];
      if (path !== undefined) tell(path);
    }
  });
}
