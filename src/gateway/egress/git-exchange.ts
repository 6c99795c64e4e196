import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** The requests with which git reads a repository; all others are denied. */
const READS = new Set(['GET info/refs?service=git-upload-pack', 'POST git-upload-pack']);
const REQUEST_HEADERS = [
  ...['accept', 'accept-encoding', 'accept-language', 'content-type', 'content-encoding'],
  ...['content-length', 'transfer-encoding', 'git-protocol', 'user-agent'],
];
const ANSWER_HEADERS = ['content-type', 'content-encoding', 'cache-control'];
const REFS = '/info/refs';

type Run = {
  /** Of the repository. */
  url: URL;
  /** An open connection for this request only. */
  socket: Duplex;
  authorization: string | undefined;
  response: ServerResponse;
  budget: { bytes: number; readonly maxBytes: number };
};

export type GitFailure = {
  kind: 'denied' | 'unauthorized' | 'too_large' | 'failed';
  /** A sentence. */
  message: string;
};

type Outcome = { failure?: GitFailure; redirect?: URL };

/** One request of git's smart protocol from a container to the host of a repository. */
export class GitExchange {
  readonly method: string;
  readonly #path: string;
  readonly #request: IncomingMessage;

  private constructor(request: IncomingMessage, path: string) {
    this.method = request.method ?? '';
    this.#path = path;
    this.#request = request;
  }

  /** `path` is relative to the repository. Undefined for a request that does not only read. */
  static of(request: IncomingMessage, path: string): GitExchange | undefined {
    return READS.has(`${request.method} ${path}`) ? new GitExchange(request, path) : undefined;
  }

  /** Forwards the request and its answer. Throws if either breaks. */
  async run({ url, socket, authorization, response, budget }: Run): Promise<Outcome> {
    const gone = new AbortController();
    const leave = () => gone.abort();
    response.once('close', leave);
    try {
      const answer = await this.#ask({ url, socket, authorization, signal: gone.signal });
      const { statusCode = 502, headers } = answer;
      const redirect =
        statusCode >= 300 && statusCode < 400 && this.#redirectOf(url, headers.location);
      if (redirect) return { redirect };
      const known = ANSWER_HEADERS.flatMap((name) => {
        const value = headers[name];
        return typeof value === 'string' ? [name, value] : [];
      });
      // A redirect to another host must not reach git in the container.
      const status = statusCode >= 300 && statusCode < 400 ? 502 : statusCode;
      response.writeHead(status, [...known, 'connection', 'close']);
      response.flushHeaders();
      const failure = failureOf(statusCode, url, authorization !== undefined);
      const counted = counting(budget);
      await pipeline(answer, counted.stream, response).catch((error: unknown) => {
        if (!counted.isOver()) throw error;
      });
      if (counted.isOver()) return { failure: tooLarge(budget.maxBytes) };
      return failure ? { failure } : {};
    } finally {
      response.off('close', leave);
      socket.destroy();
    }
  }

  async #ask(ask: Pick<Run, 'url' | 'socket' | 'authorization'> & { signal: AbortSignal }) {
    const { url, socket, authorization, signal } = ask;
    const { headers } = this.#request;
    const known = REQUEST_HEADERS.flatMap((name) => {
      const value = headers[name];
      return typeof value === 'string' ? [name, value] : [];
    });
    const sent = http.request({
      createConnection: () => socket,
      method: this.method,
      path: `${url.pathname.replace(/\/+$/, '')}/${this.#path}`,
      headers: [
        ...['host', url.host, 'connection', 'close', ...known],
        ...(authorization === undefined ? [] : ['authorization', authorization]),
      ],
      signal,
    });
    // Who reads the answer hears of what fails after its head.
    sent.on('error', () => undefined);
    this.#request.pipe(sent);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    return answer;
  }

  /** Follows redirects of the first request only, and never to another host, which must not get the credential. */
  #redirectOf(from: URL, location: string | undefined): URL | undefined {
    const to = location === undefined ? null : URL.parse(location, `${from.href}/`);
    if (this.method !== 'GET' || to?.origin !== from.origin) return undefined;
    if (!to.pathname.endsWith(REFS)) return undefined;
    return new URL(to.pathname.slice(0, -REFS.length), from.origin);
  }
}

function failureOf(status: number, url: URL, hadCredential: boolean): GitFailure | undefined {
  if (status < 300) return undefined;
  const what = `${url.host} answers ${status} to a request for the repository`;
  if (status < 400) return { kind: 'failed', message: `${url.host} redirects to another host.` };
  if (![401, 403, 404].includes(status)) return { kind: 'failed', message: `${what}.` };
  const how = hadCredential ? 'with the stored credential' : 'without a credential';
  return { kind: 'unauthorized', message: `${what} ${how}.` };
}

function tooLarge(limit: number): GitFailure {
  return { kind: 'too_large', message: `The repository has more than ${limit} bytes.` };
}

function counting(budget: Run['budget']) {
  let over = false;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      budget.bytes += chunk.length;
      over = budget.bytes > budget.maxBytes;
      if (over) done(new Error('more bytes than may be fetched'));
      else done(null, chunk);
    },
  });
  return { stream, isOver: () => over };
}
