import type { Duplex } from 'node:stream';
import { drained } from '../../concurrency/drained.ts';
import { AppError } from '../../errors.ts';
import type { GitBounds } from './git-bounds.ts';

const CHECK_MS = 1000;

/** Counts the bytes between a git client and git, and ends the connection at its limits. */
export class GitTraffic implements Disposable {
  readonly bounds: GitBounds;
  /** The first chunk of the body. */
  head: Buffer = Buffer.alloc(0);
  bytesIn = 0;
  bytesOut = 0;
  exitCode: number | undefined;
  readonly #stdio: Duplex;
  readonly #timer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;
  readonly #startedAt = performance.now();
  #movedAt = performance.now();
  #bodyEnded = false;
  #failure: unknown;
  readonly #over = new AbortController();

  constructor(stdio: Duplex, bounds: GitBounds, signal: AbortSignal) {
    this.bounds = bounds;
    this.#stdio = stdio;
    // A broken connection also ends the output; the exit status says whether git succeeded.
    stdio.on('error', () => undefined);
    this.#timer = setInterval(() => this.#checkLimits(), CHECK_MS).unref();
    const onAbort = () => this.#end(signal.reason);
    signal.addEventListener('abort', onAbort);
    this.#unsubscribe = () => signal.removeEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  }

  /** Aborted when a limit or `signal` ends the operation before git exits. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  get failure(): unknown {
    return this.#failure;
  }

  /** Whether the request only lists refs. */
  get listsRefs(): boolean {
    return /^[0-9a-f]{4}command=ls-refs\b/.test(this.head.toString('latin1', 0, 32));
  }

  /** Returns the total. */
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

  /** Writes to git, unless it has closed its input. */
  async write(chunk: Buffer): Promise<void> {
    const stdio = this.#stdio;
    if (stdio.writable && !stdio.write(chunk)) await drained(stdio);
  }

  /** Keeps the first reason. */
  fail(reason: unknown): void {
    this.#failure ??= reason;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#unsubscribe();
  }

  #checkLimits(): void {
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
