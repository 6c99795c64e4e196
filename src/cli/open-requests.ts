import type { JSONRPCNotification, RequestId } from '@modelcontextprotocol/client';

/** Requests of one side that are not answered yet. */
export class OpenRequests {
  readonly #ids = new Set<RequestId>();

  get size(): number {
    return this.#ids.size;
  }

  add(id: RequestId): void {
    this.#ids.add(id);
  }

  /** Returns whether the request was open. */
  close(id: RequestId | undefined): boolean {
    return id !== undefined && this.#ids.delete(id);
  }

  /** A cancelled request is never answered. */
  closeIfCancelled({ method, params }: JSONRPCNotification): void {
    const requestId = params?.requestId;
    if (method !== 'notifications/cancelled') return;
    if (typeof requestId === 'string' || typeof requestId === 'number') this.#ids.delete(requestId);
  }

  closeAll(): RequestId[] {
    const ids = [...this.#ids];
    this.#ids.clear();
    return ids;
  }
}
