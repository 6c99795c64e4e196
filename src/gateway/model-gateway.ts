import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { AgentId } from '../identity/agent-id.ts';
import type { EgressProxy } from './egress/egress-proxy.ts';
import { answerSocket } from './egress/egress-refusal.ts';
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

/** The routes of the provider that agents may use. */
const ROUTES = new Set(['POST /v1/responses', 'POST /v1/responses/compact', 'GET /v1/models']);
/** Codex closes idle connections after 90 s. It must be first, or a request meets a closed connection. */
const KEEP_ALIVE_MS = 120_000;

export type ModelGatewayOptions = {
  upstream: ModelUpstream;
  payerOf?: PayerOf;
  /** Retries of a request that was answered 429, and the longest wait before one. */
  maxRetries: number;
  maxRetryWaitSeconds: number;
  /** How long an outage of the model is retried. */
  outageTimeoutMs?: number;
  /** Without it no spending is recorded and no request refused. */
  budget?: GatewayBudget;
  /** Serves requests to other targets than the model. */
  egress: Pick<EgressProxy, 'connect' | 'forward' | 'forget'>;
  /** Serves requests of git in a container. */
  git?: Pick<GitForwarder, 'serves' | 'serve'>;
  log: Logger;
};

export type UsageMeter = {
  /** The usage since the meter was started. */
  stop(): TokenUsage;
  /** The cost since the meter was started. */
  spent(): Spent;
};

/**
 * The only service that containers reach. It identifies an agent by its tunnel and its token, and
 * replaces the token with the real credentials of the model provider.
 */
export class ModelGateway {
  readonly #agents = new Map<AgentId, GatewayAgent>();
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

  /** Accepts the token with this hash for an agent. */
  register(agentId: AgentId, tokenSha256Hex: string): void {
    this.#agent(agentId).allow(tokenSha256Hex);
  }

  /** Revokes the token of an agent and cuts its connections. */
  revoke(agentId: AgentId): void {
    this.#agents.get(agentId)?.revoke();
    this.#agents.delete(agentId);
    this.#egress.forget(agentId);
  }

  /** Serves a connection from the tunnel of an agent. */
  attach(agentId: AgentId, socket: Duplex): void {
    const agent = this.#agent(agentId);
    agent.add(socket);
    this.#agentOf.set(socket, agent);
    this.#server.emit('connection', socket);
  }

  /** Starts a new period for an agent, which also clears its last failure. */
  startMetering(agentId: AgentId): UsageMeter {
    const period = this.#agent(agentId).startPeriod();
    return { stop: () => period.usage, spent: () => period.spent };
  }

  /** The last failure since {@link startMetering}; undefined once an answer has completed after it. */
  lastFailure(agentId: AgentId): UpstreamFailure | undefined {
    return this.#agents.get(agentId)?.period.failure;
  }

  /** Holds answers of the model until `until` settles; if it rejects, they are answered 400. */
  hold(agentId: AgentId, until: Promise<void>): void {
    // It may reject while no request waits for it.
    until.catch(() => undefined);
    this.#agent(agentId).ready = until;
  }

  /** Cuts all connections. */
  close(): void {
    for (const agentId of [...this.#agents.keys()]) this.revoke(agentId);
    this.#client.close();
  }

  #agent(agentId: AgentId): GatewayAgent {
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
    // Makes Codex fall back to plain HTTP.
    server.on('upgrade', (_request: IncomingMessage, socket: Duplex) => {
      socket.on('error', () => socket.destroy());
      answerSocket(socket, { status: 426, sentence: 'The gateway does not speak WebSocket.' });
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
