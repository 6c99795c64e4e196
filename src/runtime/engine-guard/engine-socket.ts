import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { buffer, json } from 'node:stream/consumers';

type EngineRequest = {
  method: string;
  path: string;
  /** A string is JSON, a stream a tar archive. */
  body?: string | NodeJS.ReadableStream;
};

/** An error response of the engine, which the guard forwards unchanged. */
export class EngineAnswer extends Error {
  override readonly name = 'EngineAnswer';
  readonly status: number;
  readonly body: Buffer;

  constructor(status: number, body: Buffer) {
    super(`The engine answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** The socket of the engine. */
export class EngineSocket {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Resolves with the response of any status; `signal` aborts it. */
  send(request: EngineRequest, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      this.#request(request, { signal }).once('response', resolve).once('error', reject);
    });
  }

  /** Throws {@link EngineAnswer} for any status but 200. */
  async read(path: string): Promise<unknown> {
    const answer = await this.send({ method: 'GET', path }, AbortSignal.timeout(60_000));
    if (answer.statusCode === 200) return json(answer);
    throw new EngineAnswer(answer.statusCode ?? 502, await buffer(answer));
  }

  /** Upgrades to a raw connection. Throws {@link EngineAnswer} for any other response. */
  hijack(path: string, body: string): Promise<{ connection: Socket; head: Buffer }> {
    return new Promise((resolve, reject) => {
      const request = { method: 'POST', path, body };
      const upgrade = { Connection: 'Upgrade', Upgrade: 'tcp' };
      this.#request(request, { headers: upgrade })
        .once('upgrade', (_, connection, head) => resolve({ connection, head }))
        .once('response', (answer) => {
          const { statusCode: status = 502 } = answer;
          buffer(answer).then((text) => reject(new EngineAnswer(status, text)), reject);
        })
        .once('error', reject);
    });
  }

  #request(
    { method, path, body }: EngineRequest,
    options: { headers?: Record<string, string>; signal?: AbortSignal },
  ): ClientRequest {
    const headers = { Host: 'docker', ...contentHeaders(body), ...options.headers };
    const { signal } = options;
    const request = http.request({
      ...{ socketPath: this.#socketPath, method, path, headers, agent: false },
      ...(signal && { signal }),
    });
    if (typeof body === 'object') body.pipe(request);
    else request.end(body);
    return request;
  }
}

function contentHeaders(body: EngineRequest['body']): Record<string, string> {
  if (body === undefined) return {};
  if (typeof body === 'object') return { 'Content-Type': 'application/x-tar' };
  const length = String(Buffer.byteLength(body));
  return { 'Content-Type': 'application/json', 'Content-Length': length };
}
