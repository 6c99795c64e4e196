import type { Duplex } from 'node:stream';

/** Connections whose request has a time limit of its own, so that the limit of the server does not apply. */
export class SlowBodies {
  readonly #connections = new WeakSet<Duplex>();

  /** Exempts a connection until the result is disposed. */
  expect(connection: Duplex): Disposable {
    this.#connections.add(connection);
    return { [Symbol.dispose]: () => void this.#connections.delete(connection) };
  }

  has(connection: Duplex): boolean {
    return this.#connections.has(connection);
  }
}
