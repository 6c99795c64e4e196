import type { IncomingMessage } from 'node:http';

/** A conversation of a million tokens with pictures is far below it. */
const MAX_REQUEST_BYTES = 64 * 1024 * 1024;
/** All requests of one agent that are on their way. Their bodies are kept, to be sent again. */
const MAX_AGENT_BYTES = 2 * MAX_REQUEST_BYTES;

/** What an agent's requests hold in memory. */
export class BodyBudget {
  #bytes = 0;

  /** Answers whether so many bytes more are allowed, and if so counts them. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > MAX_AGENT_BYTES) return false;
    this.#bytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** Reads a body whole; undefined if it is over a bound. The caller gives back what was taken. */
export async function readBody(
  request: IncomingMessage,
  budget: BodyBudget,
): Promise<{ body: Buffer | undefined; taken: number }> {
  const chunks: Buffer[] = [];
  let taken = 0;
  if (Number(request.headers['content-length'] ?? 0) > MAX_REQUEST_BYTES) {
    return { body: undefined, taken };
  }
  // Leaving the loop early must not destroy the socket, on which the refusal is yet to be written.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    if (taken + chunk.length > MAX_REQUEST_BYTES || !budget.take(chunk.length)) {
      return { body: undefined, taken };
    }
    taken += chunk.length;
    chunks.push(chunk);
  }
  return { body: Buffer.concat(chunks), taken };
}
