import type { IncomingMessage, ServerResponse } from 'node:http';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type AppError, toAppError } from '../errors.ts';
import type { AgentId } from '../identity/agent-id.ts';
import type { GatewayAgent } from './gateway-agent.ts';
import { responseHeaders } from './headers.ts';
import type { MeteringPeriod } from './metering.ts';
import { answerError } from './openai-error.ts';
import { readBody } from './request-body.ts';
import { observeResponse } from './response-observer.ts';
import { type Attempts, askedWait, isOutage, type RetryLimits, retryWait } from './retry-policy.ts';
import type { UpstreamClient, UpstreamOutcome, UpstreamRequest } from './upstream-client.ts';
import { failureOfConnection } from './upstream-failure.ts';

/** One model request of an agent. */
export type Exchange = {
  agent: GatewayAgent;
  request: IncomingMessage;
  response: ServerResponse;
  /** Path and query below the base URL. */
  path: string;
};

/** The principal whose key pays for an agent; undefined: the server pays. */
export type PayerOf = (agentId: AgentId) => string | undefined;

/** Forwards model requests and their answers. */
export class ModelForwarder {
  readonly #client: UpstreamClient;
  readonly #payerOf: PayerOf;
  readonly #limits: RetryLimits;
  readonly #log: Logger;

  constructor(options: {
    client: UpstreamClient;
    payerOf?: PayerOf | undefined;
    limits: RetryLimits;
    log: Logger;
  }) {
    this.#client = options.client;
    this.#payerOf = options.payerOf ?? (() => undefined);
    this.#limits = options.limits;
    this.#log = options.log;
  }

  /** Never rejects: a failure is answered, or cuts the connection. */
  async forward(exchange: Exchange): Promise<void> {
    const { agent, request, response } = exchange;
    const { body, taken } = await readBody(request, agent.budget).catch(() => CUT_REQUEST);
    try {
      if (body === undefined) refuseBody(exchange);
      else await this.#forwardBody(exchange, body);
    } catch (error) {
      // The client has disconnected, or the answer broke: Codex must see that it is incomplete.
      this.#log.debug({ err: error, agentId: agent.id }, 'model request ended early');
      response.destroy();
    } finally {
      agent.budget.giveBack(taken);
    }
  }

  async #forwardBody({ agent, request, response, path }: Exchange, body: Buffer): Promise<void> {
    const { period } = agent;
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const { method = 'GET', headers } = request;
    const refusal = method === 'POST' ? agent.refusal : undefined;
    if (refusal) return refuse(response, period, refusal);
    if (method === 'POST') period.countRequest();
    const payer = this.#payerOf(agent.id);
    const { signal } = gone;
    const outcome = await this.#send({ method, path, headers, body, payer, signal }, agent);
    if (outcome === undefined) return refuseForCredentials(response, agent);
    const held = await agent.ready.then(
      () => undefined,
      (error) => toAppError(error),
    );
    if (held) {
      if (outcome.kind === 'answered') outcome.answer.destroy();
      return refuse(response, period, held);
    }
    await this.#hand(outcome, response, period);
  }

  /** Retries as the policy says; undefined if there are no credentials. */
  async #send(request: UpstreamRequest, agent: GatewayAgent): Promise<UpstreamOutcome | undefined> {
    const attempts: Attempts = { rateLimited: 0, outages: 0, outageMs: 0 };
    for (;;) {
      const sentAt = performance.now();
      const outcome = await this.#client.send(request).catch((error) => {
        request.signal.throwIfAborted();
        const { code, message } = toAppError(error);
        this.#log.error({ err: error, agentId: agent.id }, 'no credentials for the model');
        agent.period.recordFailure({ status: 401, code, message });
        return undefined;
      });
      if (outcome === undefined) return undefined;
      const waitMs = this.#waitAfter({ outcome, sentAt }, attempts, agent);
      if (waitMs === undefined) return outcome;
      await sleep(waitMs, undefined, { signal: request.signal });
    }
  }

  #waitAfter(
    { outcome, sentAt }: { outcome: UpstreamOutcome; sentAt: number },
    attempts: Attempts,
    agent: GatewayAgent,
  ): number | undefined {
    const { period } = agent;
    if (outcome.kind === 'answered') {
      period.recordAnswer();
      return undefined;
    }
    const { failure } = outcome;
    period.recordFailure(failure);
    if (isOutage(failure)) {
      attempts.outages += 1;
      attempts.outageMs = performance.now() - period.recordOutage(sentAt);
    } else {
      attempts.rateLimited += 1;
      period.recordAnswer();
    }
    const asked = outcome.kind === 'refused' ? askedWait(outcome.headers, Date.now()) : undefined;
    const waitMs = retryWait(failure, attempts, this.#limits, asked);
    this.#log.warn({ agentId: agent.id, ...failure, waitMs }, 'model request failed');
    return waitMs;
  }

  async #hand(
    outcome: UpstreamOutcome,
    response: ServerResponse,
    period: MeteringPeriod,
  ): Promise<void> {
    // Not a 502: Codex gives up on 5xx sooner than on a broken connection.
    if (outcome.kind === 'unreachable') {
      response.destroy();
      return;
    }
    if (outcome.kind === 'refused') {
      const { 'content-length': _, ...headers } = responseHeaders(outcome.headers);
      response.writeHead(finalStatus(outcome.status), headers).end(outcome.body);
      return;
    }
    await stream(outcome, response, period);
  }
}

/** Codex retries 401 and 403 six times, and 400 once. */
function finalStatus(status: number): number {
  return status === 401 || status === 403 ? 400 : status;
}

const CUT_REQUEST = { body: undefined, taken: 0 };

async function stream(
  { answer, billed }: Extract<UpstreamOutcome, { kind: 'answered' }>,
  response: ServerResponse,
  period: MeteringPeriod,
): Promise<void> {
  const observer = observeResponse(answer, { period, billed });
  const tap = new Transform({
    transform(chunk, _encoding, done) {
      // Before it is forwarded: Codex may end its turn on the last event.
      observer.see(chunk);
      done(null, chunk);
    },
  });
  response.writeHead(answer.statusCode ?? 200, responseHeaders(answer.headers));
  response.flushHeaders();
  answer.once('end', () => observer.end());
  answer.once('error', (error) => period.recordFailure(failureOfConnection(error)));
  await pipeline(answer, tap, response);
}

/** Answers 400, at which Codex ends its turn without a retry. */
function refuse(
  response: ServerResponse,
  period: MeteringPeriod,
  { code, message }: AppError,
): void {
  period.recordFailure({ status: 400, code, message });
  answerError(response, { status: 400, type: 'invalid_request_error', code, message });
}

function refuseBody({ request, response }: Exchange): void {
  response.shouldKeepAlive = false;
  response.once('finish', () => request.destroy());
  const message = 'The request exceeds the size limit of the gateway.';
  answerError(response, {
    status: 413,
    type: 'invalid_request_error',
    code: 'body_too_large',
    message,
  });
}

function refuseForCredentials(response: ServerResponse, { period }: GatewayAgent): void {
  const code = period.failure?.code ?? 'credentials_missing';
  const message = period.failure?.message ?? 'No credentials for the model.';
  answerError(response, { status: 400, type: 'invalid_request_error', code, message });
}
