import type { Duplex } from 'node:stream';

/** The connections whose request may take its time to arrive, as something else bounds it. */
export class SlowBodies {
  readonly #connections = new WeakSet<Duplex>();

  /** Until what is returned is disposed of. */
  expect(connection: Duplex): Disposable {
    this.#connections.add(connection);
    return { [Symbol.dispose]: () => void this.#connections.delete(connection) };
  }

  has(connection: Duplex): boolean {
    return this.#connections.has(connection);
  }
}
