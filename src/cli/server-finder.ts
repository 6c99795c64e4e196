import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { App } from '../server/app.ts';
import { DataDirError } from '../store/data-dir-error.ts';
import { VERSION } from '../version.ts';
import { StartError } from './failure.ts';
import { addressOf, LOOPBACK, type ProbeResult, probeServer } from './server-probe.ts';

const PING_INTERVAL_MS = 250;
/** Time for a server to answer that restarts, or that another process is starting. */
const RECONNECT_TIMEOUT_MS = 10_000;

type Options = { config: Config; url: string | undefined; log: Logger };

/** Finds a server: at `url`, or running on this machine, or started here. */
export class ServerFinder {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #named: string | undefined;
  /** Undefined if MCP_PORT is 0, as the address is unknown. */
  readonly #url: string | undefined;
  #own: Promise<App> | undefined;

  constructor({ config, url, log }: Options) {
    this.#config = config;
    this.#log = log;
    this.#named = url;
    this.#url = url ?? addressOf(config);
  }

  /** The URL of a server that answers. Waits for a server that was lost at `lostAt`. */
  async find(lostAt?: number): Promise<string> {
    if (this.#own !== undefined) return (await this.#own).url;
    const until = lostAt === undefined ? 0 : lostAt + RECONNECT_TIMEOUT_MS;
    const probe = await this.#probeUntil(until);
    if (this.#url && probe.state === 'running') return this.#url;
    if (this.#named) {
      throw new StartError(
        `No codex-mcp-server answers at ${this.#named}: ${probe.reason}. Start it, or leave --url out.`,
      );
    }
    return this.#start(probe.state === 'nothing');
  }

  /** Closes the server that was started here; returns whether there was one. */
  async close(): Promise<boolean> {
    const own = await this.#own?.catch(() => undefined);
    await own?.close();
    return own !== undefined;
  }

  /** On MCP_PORT if that is free, so that the next client finds it. */
  async #start(portIsFree: boolean): Promise<string> {
    const config = {
      ...this.#config,
      MCP_HOST: LOOPBACK,
      MCP_PORT: portIsFree ? this.#config.MCP_PORT : 0,
    };
    const { startApp } = await import('../server/app.ts');
    try {
      this.#own = startApp({ config, log: this.#log, version: VERSION });
      const { url } = await this.#own;
      this.#log.info({ url, version: VERSION }, 'No server runs: started one for this client');
      return url;
    } catch (error) {
      this.#own = undefined;
      if (!(error instanceof DataDirError && error.inUse)) throw error;
      return this.#useOwnerOf(config.DATA_DIR);
    }
  }

  /** Another process may have started a server at the same moment. */
  async #useOwnerOf(dataDir: string): Promise<string> {
    const probe = await this.#probeUntil(Date.now() + RECONNECT_TIMEOUT_MS);
    if (this.#url && probe.state === 'running') return this.#url;
    throw new StartError(
      `DATA_DIR is "${dataDir}", which another running server uses, but none answers at ${this.#url ?? 'a known address'}. Name that server with --url, stop it, or set another DATA_DIR.`,
    );
  }

  async #probeUntil(until: number): Promise<ProbeResult> {
    for (;;) {
      const probe = await probeServer(this.#url);
      if (probe.state === 'running' || Date.now() >= until) return probe;
      await sleep(PING_INTERVAL_MS);
    }
  }
}
