import type { Duplex } from 'node:stream';
import { drained } from '../../concurrency/drained.ts';
import { AppError } from '../../errors.ts';
import type { GitBounds } from './git-bounds.ts';

const LOOK_MS = 1000;

/** The bytes that move between a git client and its git. It ends the connection when none do. */
export class GitTraffic implements Disposable {
  readonly bounds: GitBounds;
  /** How the body begins. */
  head: Buffer = Buffer.alloc(0);
  bytesIn = 0;
  bytesOut = 0;
  exitCode: number | undefined;
  readonly #stdio: Duplex;
  readonly #timer: NodeJS.Timeout;
  readonly #ignore: () => void;
  readonly #startedAt = performance.now();
  #movedAt = performance.now();
  #bodyEnded = false;
  #failure: unknown;
  readonly #over = new AbortController();

  constructor(stdio: Duplex, bounds: GitBounds, signal: AbortSignal) {
    this.bounds = bounds;
    this.#stdio = stdio;
    // A broken connection ends the output too, and the exit status tells the rest.
    stdio.on('error', () => undefined);
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    const onAbort = () => this.#end(signal.reason);
    signal.addEventListener('abort', onAbort);
    this.#ignore = () => signal.removeEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  }

  /** Aborted if it ends before git does. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Why it ended before git did. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Whether it was no more than the question which refs there are. */
  get listsRefs(): boolean {
    return /^[0-9a-f]{4}command=ls-refs\b/.test(this.head.toString('latin1', 0, 32));
  }

  /** Answers how much there was in all. */
  received(chunk: Buffer): number {
    if (this.bytesIn === 0) this.head = chunk;
    this.bytesIn += chunk.length;
    this.#movedAt = performance.now();
    return this.bytesIn;
  }

  sent(bytes: number): void {
    this.bytesOut += bytes;
    this.#movedAt = performance.now();
  }

  bodyEnded(): void {
    this.#bodyEnded = true;
    this.#movedAt = performance.now();
  }

  /** Hands a piece to git, if it still reads. */
  async write(chunk: Buffer): Promise<void> {
    const stdio = this.#stdio;
    if (stdio.writable && !stdio.write(chunk)) await drained(stdio);
  }

  /** The first reason counts. */
  fail(reason: unknown): void {
    this.#failure ??= reason;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#ignore();
  }

  #look(): void {
    const now = performance.now();
    const { idleSeconds, totalSeconds, quietSeconds } = this.bounds;
    const quietMs = now - this.#movedAt;
    if (quietMs > idleSeconds * 1000) this.#end(timeout(`moved nothing for ${idleSeconds} s`));
    else if (now - this.#startedAt > totalSeconds * 1000) {
      this.#end(timeout(`took longer than ${totalSeconds} s`));
    } else if (this.#bodyEnded && quietMs > quietSeconds * 1000 && this.#stdio.writable)
      this.#stdio.end();
  }

  #end(reason: unknown): void {
    this.fail(reason);
    this.#over.abort(reason);
    this.#stdio.destroy();
  }
}

function timeout(what: string): AppError {
  return new AppError('request_timeout', `The git operation ${what}.`);
}
