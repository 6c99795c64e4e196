const HEADER_BYTES = 8;
const LENGTH_OFFSET = 4;

/** Bytes of one output channel: 1 is standard output, 2 standard error. */
type Frame = { channel: number; bytes: Buffer };

/** Splits the engine's multiplexed stream, without waiting for complete frames. */
export class FrameSplitter {
  #header = Buffer.alloc(0);
  #channel = 0;
  #left = 0;

  *split(chunk: Buffer): Generator<Frame> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left === 0) {
        rest = this.#readHeader(rest);
        continue;
      }
      const bytes = rest.subarray(0, this.#left);
      this.#left -= bytes.length;
      rest = rest.subarray(bytes.length);
      yield { channel: this.#channel, bytes };
    }
  }

  #readHeader(chunk: Buffer): Buffer {
    const missing = HEADER_BYTES - this.#header.length;
    const header = Buffer.concat([this.#header, chunk.subarray(0, missing)]);
    if (header.length < HEADER_BYTES) {
      this.#header = header;
    } else {
      this.#header = Buffer.alloc(0);
      this.#channel = header.readUInt8(0);
      this.#left = header.readUInt32BE(LENGTH_OFFSET);
    }
    return chunk.subarray(missing);
  }
}
