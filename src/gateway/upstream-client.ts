import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { AppError } from '../errors.ts';
import { requestHeaders } from './headers.ts';
import type { Authorization, ModelUpstream } from './model-upstream.ts';
import { failureOfAnswer, failureOfConnection, type UpstreamFailure } from './upstream-failure.ts';

/**
 * Time-out of a silent provider. Codex itself ends a stream after five minutes of silence and must be
 * first; this bounds the wait for the headers of an answer.
 */
const SILENCE_MS = 6 * 60_000;
const MAX_ERROR_BYTES = 256 * 1024;
const FLAG = 'true';

export type UpstreamRequest = {
  method: string;
  /** Below the base URL, with the query. */
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** The principal of the agent, if known. */
  payer?: string | undefined;
  signal: AbortSignal;
};

export type UpstreamOutcome =
  | { kind: 'answered'; answer: IncomingMessage; billed: boolean }
  | {
      kind: 'refused';
      status: number;
      headers: IncomingHttpHeaders;
      body: string;
      failure: UpstreamFailure;
    }
  | { kind: 'unreachable'; failure: UpstreamFailure };

/** An HTTP client of the model provider with keep-alive. */
export class UpstreamClient {
  readonly #upstream: ModelUpstream;
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true }),
    'https:': new https.Agent({ keepAlive: true }),
  };

  constructor(upstream: ModelUpstream) {
    this.#upstream = upstream;
  }

  /**
   * Sends a request, and once more if rejected credentials could be renewed.
   * Throws the problem of the credentials, and the reason of an aborted signal.
   */
  async send(request: UpstreamRequest): Promise<UpstreamOutcome> {
    try {
      const authorization = await this.#upstream.authorize(request.payer);
      const outcome = await this.#sendWith(request, authorization);
      const { renew } = this.#upstream;
      if (outcome.kind !== 'refused' || outcome.status !== 401 || !renew) return outcome;
      if (!(await renew.call(this.#upstream, authorization))) return outcome;
      return await this.#sendWith(request, await this.#upstream.authorize(request.payer));
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'model_unavailable') throw error;
      const { code, message } = error;
      return { kind: 'unreachable', failure: { status: undefined, code, message } };
    }
  }

  /** Closes idle connections. */
  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  async #sendWith(
    request: UpstreamRequest,
    authorization: Authorization,
  ): Promise<UpstreamOutcome> {
    try {
      const answer = await this.#exchange(request, authorization);
      const status = answer.statusCode ?? 0;
      const { billed = true } = authorization;
      if (status < 400) return { kind: 'answered', answer, billed };
      const body = redact(await readError(answer), authorization);
      const failure = failureOfAnswer(status, body);
      return { kind: 'refused', status, headers: answer.headers, body, failure };
    } catch (error) {
      request.signal.throwIfAborted();
      if (!(error instanceof Error)) throw error;
      return { kind: 'unreachable', failure: failureOfConnection(error) };
    }
  }

  #exchange(
    { method, path, headers, body, signal }: UpstreamRequest,
    authorization: Authorization,
  ): Promise<IncomingMessage> {
    const url = new URL(authorization.baseUrl + path);
    const isHttps = url.protocol === 'https:';
    const request = (isHttps ? https : http).request(url, {
      method,
      signal,
      agent: isHttps ? this.#agents['https:'] : this.#agents['http:'],
      headers: {
        ...requestHeaders(headers),
        // A compressed answer cannot be metered.
        'accept-encoding': 'identity',
        ...(method === 'POST' && { 'content-length': body.length }),
        ...authorization.headers,
      },
    });
    request.setTimeout(SILENCE_MS, () => request.destroy(new Error('silent for too long')));
    return new Promise((resolve, reject) => {
      // Never removed: a broken answer is reported here too.
      request.on('error', reject);
      request.on('response', resolve);
      request.end(body);
    });
  }
}

async function readError(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_ERROR_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, MAX_ERROR_BYTES).toString();
}

/** Some endpoints repeat the rejected key, and the agent reads the answer. */
function redact(text: string, { headers, secrets = [] }: Authorization): string {
  const sent = Object.values(headers).map((value) => value.replace(/^Bearer\s+/i, ''));
  return [...sent, ...secrets]
    .filter((secret) => secret !== '' && secret !== FLAG)
    .reduce((redacted, secret) => redacted.replaceAll(secret, '[redacted]'), text);
}
