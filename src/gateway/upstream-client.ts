import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { requestHeaders } from './headers.ts';
import type { ModelUpstream } from './model-upstream.ts';
import { failureOfAnswer, failureOfConnection, type UpstreamFailure } from './upstream-failure.ts';

/**
 * Silence after which the provider is given up. Codex itself ends a stream that is silent for five
 * minutes; it shall decide first. This is for what it does not bound: the wait for an answer's head.
 */
const SILENCE_MS = 6 * 60_000;
const MAX_ERROR_BYTES = 256 * 1024;

export type UpstreamRequest = {
  method: string;
  /** Below the base URL, with the query. */
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  signal: AbortSignal;
};

export type UpstreamOutcome =
  | { kind: 'answered'; answer: IncomingMessage }
  | {
      kind: 'refused';
      status: number;
      headers: IncomingHttpHeaders;
      body: string;
      failure: UpstreamFailure;
    }
  | { kind: 'unreachable'; failure: UpstreamFailure };

/** Talks to the model provider over connections that are kept. */
export class UpstreamClient {
  readonly #upstream: ModelUpstream;
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true }),
    'https:': new https.Agent({ keepAlive: true }),
  };

  constructor(upstream: ModelUpstream) {
    this.#upstream = upstream;
  }

  /** Sends a request once. Throws `credentials_missing`, and the reason of an aborted signal. */
  async send(request: UpstreamRequest): Promise<UpstreamOutcome> {
    const credentials = await this.#upstream.authorize();
    try {
      const answer = await this.#exchange(request, credentials);
      const status = answer.statusCode ?? 0;
      if (status < 400) return { kind: 'answered', answer };
      const body = redact(await readError(answer), credentials);
      const failure = failureOfAnswer(status, body);
      return { kind: 'refused', status, headers: answer.headers, body, failure };
    } catch (error) {
      request.signal.throwIfAborted();
      if (!(error instanceof Error)) throw error;
      return { kind: 'unreachable', failure: failureOfConnection(error) };
    }
  }

  /** Closes the connections that no request uses. */
  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  #exchange(
    { method, path, headers, body, signal }: UpstreamRequest,
    credentials: Readonly<Record<string, string>>,
  ): Promise<IncomingMessage> {
    const url = new URL(this.#upstream.baseUrl + path);
    const isHttps = url.protocol === 'https:';
    const request = (isHttps ? https : http).request(url, {
      method,
      signal,
      agent: isHttps ? this.#agents['https:'] : this.#agents['http:'],
      headers: {
        ...requestHeaders(headers),
        // What is compressed cannot be metered.
        'accept-encoding': 'identity',
        ...(method === 'POST' && { 'content-length': body.length }),
        ...credentials,
      },
    });
    request.setTimeout(SILENCE_MS, () => request.destroy(new Error('silent for too long')));
    return new Promise((resolve, reject) => {
      // Stays for good: an answer that breaks reports it here as well.
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

/** Some endpoints name the key that they refuse, and the agent reads what they say. */
function redact(text: string, credentials: Readonly<Record<string, string>>): string {
  const secrets = Object.values(credentials).map((value) => value.replace(/^Bearer\s+/i, ''));
  return secrets
    .filter((secret) => secret !== '')
    .reduce((redacted, secret) => redacted.replaceAll(secret, '[redacted]'), text);
}
