import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { AgentId } from '../identity/agent-id.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';

const REOPEN_DELAY_MS = 200;

/** Reopens the tunnel of a running agent; turns wait meanwhile. */
export class TunnelKeeper {
  readonly #runtime: ContainerRuntime;
  readonly #agentId: AgentId;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #tunnel: Tunnel | undefined;
  /** Connections before {@link serve}; closing one would be a failure to Codex. */
  readonly #waiting: Duplex[] = [];
  #onConnection: (socket: Duplex) => void = (socket) => void this.#waiting.push(socket);

  private constructor(options: TunnelOptions) {
    this.#runtime = options.runtime;
    this.#agentId = options.agentId;
    this.#log = options.log;
  }

  /** Resolves when the first tunnel is open. */
  static async open(options: TunnelOptions): Promise<TunnelKeeper> {
    const keeper = new TunnelKeeper(options);
    await keeper.#open();
    void keeper.#keepOpen();
    return keeper;
  }

  /** Sets the handler of connections. */
  serve(onConnection: (socket: Duplex) => void): void {
    this.#onConnection = onConnection;
    for (const socket of this.#waiting.splice(0)) onConnection(socket);
  }

  close(): void {
    this.#stop.abort();
    this.#tunnel?.close();
  }

  async #open(): Promise<void> {
    const command = this.#runtime.layout(this.#agentId).tunnel;
    const process = await this.#runtime.exec(this.#agentId, command);
    this.#tunnel = await openTunnel({
      process,
      onConnection: (socket) => this.#onConnection(socket),
      log: this.#log,
    });
    if (this.#stop.signal.aborted) this.#tunnel.close();
  }

  async #keepOpen(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#tunnel?.closed;
      if (this.#stop.signal.aborted) return;
      this.#log.warn({ agentId: this.#agentId }, 'The tunnel of the agent ended; opening it again');
      await sleep(REOPEN_DELAY_MS);
      try {
        await this.#open();
      } catch (error) {
        // A removed container ends the link of the agent, which closes this keeper.
        this.#log.warn({ err: error, agentId: this.#agentId }, 'The tunnel could not be opened');
      }
    }
  }
}

type TunnelOptions = {
  runtime: ContainerRuntime;
  agentId: AgentId;
  log: Logger;
};
