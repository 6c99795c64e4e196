import type { IncomingMessage } from 'node:http';

/** Far above a conversation of a million tokens with pictures. */
const MAX_REQUEST_BYTES = 64 * 1024 * 1024;
/** Bodies of all open requests of one agent, which are kept for retries. */
const MAX_AGENT_BYTES = 2 * MAX_REQUEST_BYTES;

/** Memory of the requests of one agent. */
export class BodyBudget {
  #bytes = 0;

  /** Returns whether the bytes fit; then they are counted. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > MAX_AGENT_BYTES) return false;
    this.#bytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** Reads a whole body; undefined if it is over a limit. The caller gives `taken` back. */
export async function readBody(
  request: IncomingMessage,
  budget: BodyBudget,
): Promise<{ body: Buffer | undefined; taken: number }> {
  const chunks: Buffer[] = [];
  let taken = 0;
  if (Number(request.headers['content-length'] ?? 0) > MAX_REQUEST_BYTES) {
    return { body: undefined, taken };
  }
  // Leaving the loop early must not destroy the socket, which the refusal is written to.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    if (taken + chunk.length > MAX_REQUEST_BYTES || !budget.take(chunk.length)) {
      return { body: undefined, taken };
    }
    taken += chunk.length;
    chunks.push(chunk);
  }
  return { body: Buffer.concat(chunks), taken };
}
