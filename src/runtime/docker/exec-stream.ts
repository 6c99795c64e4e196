import { Duplex, Readable } from 'node:stream';
import { FrameSplitter } from './frame-splitter.ts';

const STDERR_CHANNEL = 2;
/** Unread standard error is buffered up to this limit, and must not block standard output. */
const UNREAD_STDERR_BYTES = 1024 * 1024;

/**
 * The hijacked connection of an exec: writes go to standard input, reads come from standard output. A
 * lost connection ends the stream like an exit; only the exit code tells the difference.
 */
export class ExecStream extends Duplex {
  readonly stderr: Readable;
  readonly #connection: Duplex;
  readonly #full = new Set<Readable>();
  #ended = false;
  #receivedBytes = 0;

  constructor(connection: Duplex) {
    super({ allowHalfOpen: false });
    this.#connection = connection;
    this.stderr = new Readable({ read: () => this.#drained(this.stderr) });
    const splitter = new FrameSplitter();
    connection.on('data', (chunk: Buffer) => {
      for (const { channel, bytes } of splitter.split(chunk)) {
        if (channel === STDERR_CHANNEL) this.#deliverError(bytes);
        else this.#deliver(this, bytes);
      }
      this.#receivedBytes += chunk.length;
      if (this.#full.size > 0) connection.pause();
    });
    // 'close' follows every error; a failed write means that the process has exited.
    connection.on('error', () => {});
    connection.on('end', () => this.#end());
    connection.on('close', () => this.#end());
  }

  /** Whether the connection is paused because the output is not read. */
  get isHeldBack(): boolean {
    return this.#full.size > 0;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  override _read(): void {
    this.#drained(this);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#connection.writable) this.#connection.write(chunk, () => done());
    else done();
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', done);
  }

  override _final(done: () => void): void {
    this.#connection.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#connection.destroy();
    done(error);
  }

  #deliver(target: Readable, bytes: Buffer): void {
    if (!target.destroyed && !target.push(bytes)) this.#full.add(target);
  }

  #deliverError(bytes: Buffer): void {
    const { stderr } = this;
    if (stderr.readableFlowing !== null || stderr.listenerCount('readable') > 0) {
      this.#deliver(stderr, bytes);
    } else if (stderr.readableLength + bytes.length <= UNREAD_STDERR_BYTES) {
      stderr.push(bytes);
    }
  }

  #drained(target: Readable): void {
    this.#full.delete(target);
    if (this.#full.size === 0 && this.#connection.isPaused()) this.#connection.resume();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.destroyed) this.push(null);
    if (!this.stderr.destroyed) this.stderr.push(null);
  }
}
