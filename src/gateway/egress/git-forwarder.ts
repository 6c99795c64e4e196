import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import net from 'node:net';
import tls from 'node:tls';
import type { AgentId } from '../../identity/agent-id.ts';
import type { EgressProxy } from './egress-proxy.ts';
import type { EgressTarget } from './egress-target.ts';
import { GitExchange, type GitFailure } from './git-exchange.ts';
import { hostOf } from './host-name.ts';

const PREFIX = '/git/';
const TOKEN_BYTES = 24;
const HTTPS_PORT = 443;
const HTTP_PORT = 80;
/** A renamed repository redirects to its new name. */
const MOST_REDIRECTS = 3;

/** Lets one agent read one repository until the grant is disposed. */
export type GitGrant = Disposable & {
  /** Path of the repository on the gateway. */
  path: string;
  /** The last failure of a request. */
  readonly failure: GitFailure | undefined;
  /** Bytes that were fetched so far. */
  readonly bytes: number;
};

type Granted = { agentId: AgentId; url: URL } & GrantOptions & {
    failure?: GitFailure;
    bytes: number;
  };

export type GrantOptions = {
  /** Authorization header for the repository; sent over https only. */
  authorization?: string | undefined;
  /** Limit of all fetched bytes. */
  maxBytes: number;
};

/**
 * Fetches repositories for agents: git in the container asks the gateway, which adds a credential that
 * never enters the container. A grant is for one repository, read-only. The egress rules apply.
 */
export class GitForwarder {
  readonly #proxy: Pick<EgressProxy, 'relay'>;
  readonly #grants = new Map<string, Granted>();

  constructor(proxy: Pick<EgressProxy, 'relay'>) {
    this.#proxy = proxy;
  }

  /** `url` of http or https, without a credential. */
  grant(agentId: AgentId, url: URL, options: GrantOptions): GitGrant {
    const token = randomBytes(TOKEN_BYTES).toString('hex');
    const granted: Granted = { agentId, url, bytes: 0, ...options };
    this.#grants.set(token, granted);
    return {
      path: `${PREFIX}${token}`,
      get failure() {
        return granted.failure;
      },
      get bytes() {
        return granted.bytes;
      },
      [Symbol.dispose]: () => void this.#grants.delete(token),
    };
  }

  /** Whether a request is for the forwarder. */
  serves(url: string): boolean {
    return url.startsWith(PREFIX);
  }

  /** Serves a request of git in a container. Never throws. */
  async serve(agentId: AgentId, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [token = '', ...rest] = (request.url ?? '').slice(PREFIX.length).split('/');
    const granted = this.#grants.get(token);
    const exchange = GitExchange.of(request, rest.join('/'));
    if (!granted || granted.agentId !== agentId || !exchange) {
      response.writeHead(404, { connection: 'close' }).end();
      return;
    }
    // Every redirect adds listeners.
    response.setMaxListeners(20);
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects += 1) {
      const next = await this.#forward(granted, exchange, response);
      if (!next) return;
      granted.url = next;
    }
    granted.failure = { kind: 'failed', message: 'The repository redirects in a circle.' };
    response.writeHead(502, { connection: 'close' }).end();
  }

  /** Returns the URL of a redirect, if any. */
  async #forward(
    granted: Granted,
    exchange: GitExchange,
    response: ServerResponse,
  ): Promise<URL | undefined> {
    const { agentId, url } = granted;
    const target = targetOf(url, exchange.method);
    if (!target) {
      response.writeHead(400, { connection: 'close' }).end();
      return undefined;
    }
    let next: URL | undefined;
    const refusal = await this.#proxy.relay(
      agentId,
      { target, method: exchange.method, asked: url.href, response },
      async (upstream) => {
        const socket = url.protocol === 'https:' ? secured(upstream, target.host) : upstream;
        const authorization = url.protocol === 'https:' ? granted.authorization : undefined;
        const outcome = await exchange.run({
          url,
          socket,
          authorization,
          response,
          budget: granted,
        });
        if (outcome?.failure) granted.failure = outcome.failure;
        next = outcome?.redirect;
      },
    );
    if (refusal) {
      const kind = refusal.status === 403 ? 'denied' : 'failed';
      granted.failure ??= { kind, message: refusal.sentence };
    }
    return next;
  }
}

/** The gateway opens TLS itself, so https counts as CONNECT for the rules. */
function targetOf(url: URL, method: string): EgressTarget | undefined {
  const host = hostOf(url);
  if (host === undefined) return undefined;
  const isSecure = url.protocol === 'https:';
  const port = url.port === '' ? (isSecure ? HTTPS_PORT : HTTP_PORT) : Number(url.port);
  return { way: isSecure ? 'connect' : 'http', method: isSecure ? 'CONNECT' : method, host, port };
}

function secured(socket: net.Socket, host: string): tls.TLSSocket {
  const name = net.isIP(host) ? {} : { servername: host };
  return tls.connect({ socket, host, ...name, ALPNProtocols: ['http/1.1'] });
}
