import { once } from 'node:events';
import { WebSocket } from 'ws';
import { z } from 'zod';

const PATIENCE_MS = 30_000;

const replySchema = z.object({ id: z.number(), result: z.unknown() });
const usageSchema = z.looseObject({
  usedSize: z.number(),
  embedderHeapUsedSize: z.number().default(0),
  backingStorageSize: z.number().default(0),
});

/** Looks into the memory of a Node that was started with `--inspect`. */
export class HeapInspector {
  readonly #socket: WebSocket;
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async connect(url: string, cleanup: AsyncDisposableStack): Promise<HeapInspector> {
    const socket = new WebSocket(url);
    cleanup.defer(() => socket.terminate());
    await once(socket, 'open');
    return new HeapInspector(socket);
  }

  /** Bytes that are in use after a collection, those of buffers included. */
  async usedBytes(): Promise<number> {
    await this.#ask('HeapProfiler.collectGarbage');
    const usage = usageSchema.parse(await this.#ask('Runtime.getHeapUsage'));
    return usage.usedSize + usage.embedderHeapUsedSize + usage.backingStorageSize;
  }

  async #ask(method: string): Promise<unknown> {
    const id = ++this.#lastId;
    this.#socket.send(JSON.stringify({ id, method }));
    // A process that ends meanwhile waits for this connection, and answers nothing.
    const signal = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      const [message] = await once(this.#socket, 'message', { signal });
      const reply = replySchema.safeParse(JSON.parse(String(message)));
      if (reply.data?.id === id) return reply.data.result;
    }
  }
}
