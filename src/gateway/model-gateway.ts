import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { EgressProxy } from './egress/egress-proxy.ts';
import type { GitForwarder } from './egress/git-forwarder.ts';
import { GatewayAgent, type GatewayBudget } from './gateway-agent.ts';
import { ModelForwarder, type PayerOf } from './model-forwarder.ts';
import type { ModelUpstream } from './model-upstream.ts';
import { answerError } from './openai-error.ts';
import { OUTAGE_TIMEOUT_MS } from './retry-policy.ts';
import type { Spent } from './spending/spending-store.ts';
import type { TokenUsage } from './spending/token-usage.ts';
import { UpstreamClient } from './upstream-client.ts';
import type { UpstreamFailure } from './upstream-failure.ts';

/** Everything of the provider that an agent may use. */
const ROUTES = new Set(['POST /v1/responses', 'POST /v1/responses/compact', 'GET /v1/models']);
/** Codex closes idle connections after 90 s; it has to be first, or a request meets a closed one. */
const KEEP_ALIVE_MS = 120_000;

export type ModelGatewayOptions = {
  upstream: ModelUpstream;
  /** Who pays for an agent, where that is not whoever runs the server. */
  payerOf?: PayerOf;
  /** How often a request that was answered 429 is sent again, and the longest wait before that. */
  maxRetries: number;
  maxRetryWaitSeconds: number;
  /** How long an outage of the model is waited out. */
  outageTimeoutMs?: number;
  /** Without it nothing is counted for good, and nothing refused. */
  budget?: GatewayBudget;
  /** Serves requests to anything but the model. */
  egress: Pick<EgressProxy, 'connect' | 'forward' | 'forget'>;
  /** Serves what git in a container asks for. */
  git?: Pick<GitForwarder, 'serves' | 'serve'>;
  log: Logger;
};

export type UsageMeter = {
  /** The usage since the meter was started. */
  stop(): TokenUsage;
  /** What that cost. */
  spent(): Spent;
};

/**
 * The only thing that agents reach. It knows an agent by the tunnel that a connection came through
 * and by its token, and puts the real credentials of the model provider in the token's place.
 */
export class ModelGateway {
  readonly #agents = new Map<string, GatewayAgent>();
  readonly #agentOf = new WeakMap<Duplex, GatewayAgent>();
  readonly #server: http.Server;
  readonly #client: UpstreamClient;
  readonly #forwarder: ModelForwarder;
  readonly #budget: GatewayBudget | undefined;
  readonly #egress: ModelGatewayOptions['egress'];
  readonly #git: ModelGatewayOptions['git'];
  readonly #log: Logger;

  constructor(options: ModelGatewayOptions) {
    const { maxRetries, maxRetryWaitSeconds, outageTimeoutMs = OUTAGE_TIMEOUT_MS } = options;
    this.#log = options.log;
    this.#budget = options.budget;
    this.#egress = options.egress;
    this.#git = options.git;
    this.#client = new UpstreamClient(options.upstream);
    this.#forwarder = new ModelForwarder({
      client: this.#client,
      payerOf: options.payerOf,
      limits: { maxRetries, maxRetryWaitSeconds, outageTimeoutMs },
      log: options.log,
    });
    this.#server = this.#createServer();
  }

  /** Lets an agent in that carries the token with this hash. */
  register(agentId: string, tokenSha256Hex: string): void {
    this.#agent(agentId).allow(tokenSha256Hex);
  }

  /** Locks an agent out and cuts its connections. Nothing if it was never let in. */
  revoke(agentId: string): void {
    this.#agents.get(agentId)?.revoke();
    this.#agents.delete(agentId);
    this.#egress.forget(agentId);
  }

  /** Serves a connection that came through the tunnel of an agent. */
  attach(agentId: string, socket: Duplex): void {
    const agent = this.#agent(agentId);
    agent.add(socket);
    this.#agentOf.set(socket, agent);
    this.#server.emit('connection', socket);
  }

  /** Counts anew what an agent uses, and forgets its last failure. */
  startMetering(agentId: string): UsageMeter {
    const period = this.#agent(agentId).startPeriod();
    return { stop: () => period.usage, spent: () => period.spent };
  }

  /** What went wrong last since metering began, unless the model has completed an answer after it. */
  lastFailure(agentId: string): UpstreamFailure | undefined {
    return this.#agents.get(agentId)?.period.failure;
  }

  /** Keeps answers of the model back until `until` settles; if it rejects, they are answered 400. */
  hold(agentId: string, until: Promise<void>): void {
    // Nobody may be asking the model when it rejects.
    until.catch(() => undefined);
    this.#agent(agentId).ready = until;
  }

  /** Cuts all connections. */
  close(): void {
    for (const agentId of [...this.#agents.keys()]) this.revoke(agentId);
    this.#client.close();
  }

  #agent(agentId: string): GatewayAgent {
    const known = this.#agents.get(agentId);
    if (known) return known;
    const agent = new GatewayAgent(agentId, this.#budget);
    this.#agents.set(agentId, agent);
    return agent;
  }

  #createServer(): http.Server {
    const server = http.createServer({ noDelay: true, keepAliveTimeout: KEEP_ALIVE_MS });
    server.on('request', (request, response) => this.#serve(request, response));
    server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
      const agent = this.#agentOf.get(client);
      if (agent) void this.#egress.connect(agent.id, { request, client, head });
      else client.destroy();
    });
    // Codex takes this as the sign to speak plain HTTP.
    server.on('upgrade', (_request: IncomingMessage, socket: Duplex) => {
      end(socket, '426 Upgrade Required', 'The gateway does not speak WebSocket.');
    });
    server.on('clientError', (error, socket) => {
      this.#log.debug({ err: error }, 'bad request to the gateway');
      socket.destroy();
    });
    return server;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { url = '', method = 'GET' } = request;
    const agent = this.#agentOf.get(request.socket);
    const route = `${method} ${url.split('?', 1)[0]}`;
    if (agent && !url.startsWith('/')) {
      void this.#egress.forward(agent.id, request, response);
    } else if (agent && this.#git?.serves(url)) {
      void this.#git.serve(agent.id, request, response);
    } else if (!agent?.accepts(request.headers.authorization)) {
      refuseToken(response);
    } else if (!ROUTES.has(route)) {
      refuseRoute(response, route);
    } else {
      const path = url.slice('/v1'.length);
      void this.#forwarder.forward({ agent, request, response, path });
    }
  }
}

function refuseToken(response: ServerResponse): void {
  const message = 'The gateway does not know this token.';
  const type = 'invalid_request_error';
  answerError(response, { status: 401, type, code: 'invalid_api_key', message });
}

function refuseRoute(response: ServerResponse, route: string): void {
  const message = `The gateway does not allow ${route}.`;
  const type = 'invalid_request_error';
  answerError(response, { status: 403, type, code: 'not_allowed', message });
}

/** Answers on a bare socket and closes it. */
function end(socket: Duplex, status: string, sentence: string): void {
  const body = `${sentence}\n`;
  const head = `content-type: text/plain\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\n${head}\r\nconnection: close\r\n\r\n${body}`);
}
