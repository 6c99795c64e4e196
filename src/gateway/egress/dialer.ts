import { once } from 'node:events';
import net from 'node:net';
import { untilAborted } from '../../concurrency/until-aborted.ts';
import { EgressRefusal } from './egress-refusal.ts';
import type { EgressTarget } from './egress-target.ts';
import { nameResolver } from './name-resolver.ts';
import type { ReachableAddresses } from './reachable-addresses.ts';

/** Name resolution included. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Addresses of one name that are tried. */
const MOST_ADDRESSES = 8;

export type DialerOptions = {
  reachable: Pick<ReachableAddresses, 'has'>;
  /** All addresses of a name. Default: {@link nameResolver}. */
  resolve?: (name: string) => Promise<readonly string[]>;
  /** Starts to connect to one of the addresses. */
  connect?: (addresses: readonly string[], port: number) => net.Socket;
  timeoutMs?: number;
};

/** Connects to checked addresses only: a name is resolved once, so it cannot change after the check. */
export class Dialer {
  readonly #options: Required<DialerOptions>;

  constructor(options: DialerOptions) {
    this.#options = {
      resolve: nameResolver(),
      connect: connectTo,
      timeoutMs: CONNECT_TIMEOUT_MS,
      ...options,
    };
  }

  /** Resolves with an open connection. Throws {@link EgressRefusal}. */
  async dial({ host, port }: EgressTarget, signal: AbortSignal): Promise<net.Socket> {
    const timeout = AbortSignal.timeout(this.#options.timeoutMs);
    const either = AbortSignal.any([signal, timeout]);
    try {
      const addresses = await this.#addressesOf(host, either);
      return await this.#connect(addresses, port, either);
    } catch (error) {
      if (error instanceof EgressRefusal) throw error;
      if (signal.aborted) throw new EgressRefusal('client_gone');
      throw new EgressRefusal(timeout.aborted ? 'too_late' : 'not_connected', { cause: error });
    }
  }

  /** Throws if any address of the name is not reachable, even if others are. */
  async #addressesOf(host: string, signal: AbortSignal): Promise<readonly string[]> {
    const addresses = net.isIP(host) ? [host] : await this.#resolve(host, signal);
    const { reachable } = this.#options;
    if (!addresses.every((address) => reachable.has(address))) {
      throw new EgressRefusal('not_public');
    }
    return addresses.slice(0, MOST_ADDRESSES);
  }

  async #resolve(host: string, signal: AbortSignal): Promise<readonly string[]> {
    const resolved = this.#options.resolve(host).catch((error: unknown) => {
      throw new EgressRefusal('not_resolved', { cause: error });
    });
    const addresses = await untilAborted(resolved, signal);
    if (addresses.length === 0) throw new EgressRefusal('not_resolved');
    return addresses;
  }

  async #connect(addresses: readonly string[], port: number, signal: AbortSignal) {
    const socket = this.#options.connect(addresses, port);
    try {
      await once(socket, 'connect', { signal });
      return socket;
    } catch (error) {
      socket.on('error', () => undefined);
      socket.destroy();
      throw error;
    }
  }
}

function connectTo(addresses: readonly string[], port: number): net.Socket {
  const answers = addresses.map((address) => ({ address, family: net.isIP(address) }));
  return net.connect({
    // Never resolved: the lookup returns the checked addresses.
    host: 'checked.invalid',
    lookup: (_name, _options, callback) => callback(null, answers),
    port,
    autoSelectFamily: true,
    allowHalfOpen: true,
    noDelay: true,
  });
}
