import type { Logger } from 'pino';
import type { Config } from '../../../config/config.ts';
import { AppError } from '../../../errors.ts';
import { livePrincipal, type Principal } from '../../../identity/principal.ts';

const LONGEST_SWEEP_MS = 30_000;

/** A session over HTTP+SSE or Streamable HTTP. */
export type McpSession = {
  readonly id: string;
  /** Start of its idle time, in milliseconds since the epoch; undefined while in use. */
  readonly idleSince: number | undefined;
  close(): Promise<void>;
};

type Known = {
  session: McpSession;
  /** Who sent its latest request; every request of a session is of one principal. */
  principal: Principal;
};

/** The open MCP sessions, by id. Sessions that stay idle are closed. */
export class McpSessions {
  readonly #sessions = new Map<string, Known>();
  readonly #limit: number;
  readonly #idleMs: number;
  readonly #log: Logger;
  readonly #sweeper: NodeJS.Timeout;
  #closing = false;

  constructor({ config, log }: { config: Config; log: Logger }) {
    this.#limit = config.MAX_MCP_SESSIONS;
    this.#idleMs = config.MCP_SESSION_IDLE * 1000;
    this.#log = log;
    const interval = Math.min(this.#idleMs / 2, LONGEST_SWEEP_MS);
    this.#sweeper = setInterval(() => this.#closeIdle(), interval).unref();
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Throws `too_many_clients` at the limit. */
  assertRoom(): void {
    if (this.#closing) throw new AppError('shutting_down', 'The server is shutting down.');
    if (this.#sessions.size < this.#limit) return;
    throw new AppError(
      'too_many_clients',
      `${this.#limit} MCP clients are connected, as many as MAX_MCP_SESSIONS allows.`,
      { data: { limit: this.#limit } },
    );
  }

  add(session: McpSession, principal: Principal): void {
    this.assertRoom();
    this.#sessions.set(session.id, { session, principal });
    this.#log.info({ mcp_session: session.id, mcp_sessions: this.size }, 'MCP session opened');
  }

  /** Throws `session_expired` for an unknown id or that of another principal; clients initialize again then. */
  get<T extends McpSession>(id: string, kind: new (...args: never[]) => T, by: Principal): T {
    const known = this.#sessions.get(id);
    if (known?.session instanceof kind && known.principal.id === by.id) {
      known.principal = by;
      return known.session;
    }
    throw new AppError('session_expired', 'This MCP session does not exist, or no longer.');
  }

  /** A caller that has the rights of the latest request of its session, for what that is told unasked. */
  liveCaller(id: string, principal: Principal): Principal {
    return livePrincipal(principal, () => this.#sessions.get(id)?.principal);
  }

  remove(id: string): void {
    if (!this.#sessions.delete(id)) return;
    this.#log.info({ mcp_session: id, mcp_sessions: this.size }, 'MCP session closed');
  }

  /** Closes every session; none is opened afterwards. */
  async closeAll(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#sweeper);
    await Promise.all([...this.#sessions.values()].map(({ session }) => this.#close(session)));
  }

  #closeIdle(): void {
    const bound = performance.now() - this.#idleMs;
    for (const { session } of this.#sessions.values()) {
      if (session.idleSince === undefined || session.idleSince > bound) continue;
      this.#log.info({ mcp_session: session.id }, 'MCP session is idle');
      void this.#close(session);
    }
  }

  async #close(session: McpSession): Promise<void> {
    this.remove(session.id);
    try {
      await session.close();
    } catch (error) {
      this.#log.warn({ err: error, mcp_session: session.id }, 'MCP session closed badly');
    }
  }
}
