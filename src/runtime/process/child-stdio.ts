import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { Duplex } from 'node:stream';
import { hasCode } from './system-error.ts';

const GONE = ['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END'] as const;

/**
 * Standard input and output of a child as one stream. `Duplex.from` would fail with a premature close and
 * lose output if the child exits before its input ends.
 */
export class ChildStdio extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams;

  constructor(child: ChildProcessWithoutNullStreams) {
    super({ allowHalfOpen: true });
    this.#child = child;
    child.stdin.on('error', (error) => {
      if (!hasCode(error, ...GONE)) this.destroy(error);
    });
    child.stdout.on('error', (error) => this.destroy(error));
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause();
    });
    child.stdout.on('end', () => this.push(null));
    child.once('close', () => this.#destroyOnceRead());
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    // The end of the output, and not a failed write, reports that a child has exited.
    this.#child.stdin.write(chunk, (error) =>
      done(error && !hasCode(error, ...GONE) ? error : undefined),
    );
  }

  override _final(done: () => void): void {
    this.#child.stdin.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#child.stdin.destroy();
    this.#child.stdout.destroy();
    done(error);
  }

  #destroyOnceRead(): void {
    if (this.readableEnded) this.destroy();
    else this.once('end', () => this.destroy());
  }
}
