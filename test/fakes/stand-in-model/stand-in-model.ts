/**
 * A stand-in for the OpenAI Responses API: a real HTTP server that real Codex talks to, with a script
 * in the place of a model.
 *
 *     await using model = await startStandInModel({
 *       script: sequence([shell('ls'), text('There is nothing here.')]),
 *     });
 *     // OPENAI_BASE_URL=model.url
 *
 * A script looks at each request (model-request.ts: the prompt, the outputs of tools since, the asked
 * schema, the tools on offer) and returns a step (step.ts: words, tool calls, failures of many kinds).
 * `sequence` gives one step after the other; `answerAnything` fits any request.
 *
 * Shell commands and patches work with every set of tools that Codex 0.169 offers: `exec_command`
 * alone (models it does not know, such as gpt-5 and gpt-5.6: patches go through the command),
 * `exec_command` and `apply_patch` (gpt-5.5), and code mode (gpt-5.6-sol, gpt-6-sol and later).
 */
import http, {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import zlib from 'node:zlib';
import { type ModelRequest, readModelRequest } from './model-request.ts';
import { performStep, STAND_IN_USAGE } from './perform-step.ts';
import type { Script } from './script.ts';

export type StandInModelOptions = {
  port?: number;
  host?: string;
  /** If given, requests with another key are answered 401. */
  apiKey?: string;
  /** If given, requests that it does not admit are answered 401. */
  admits?: (headers: IncomingHttpHeaders) => boolean;
  script: Script;
  /** Whether requests are kept; not for runs of hours. */
  recording?: boolean;
};

type RecordedRequest = {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: unknown;
  time: Date;
  /** What a script saw of it. */
  seen: ModelRequest;
  /** Settles when the answer is over: whether the client took all of it. */
  ended: Promise<'answered' | 'aborted'>;
};

export type StandInModel = AsyncDisposable & {
  /** Base URL, such as `http://127.0.0.1:40123/v1`. */
  readonly url: string;
  readonly port: number;
  /** Every request, oldest first. */
  readonly requests: readonly RecordedRequest[];
  setScript(script: Script): void;
  /** Cuts all connections; new ones are refused. */
  close(): Promise<void>;
};

/** Starts a stand-in on a free port, unless one is named. */
export async function startStandInModel(options: StandInModelOptions): Promise<StandInModel> {
  const { port = 0, host = '127.0.0.1', apiKey, recording = true } = options;
  const hasKey = ({ authorization }: IncomingHttpHeaders) =>
    apiKey === undefined || authorization === `Bearer ${apiKey}`;
  const { admits = hasKey } = options;
  const requests: RecordedRequest[] = [];
  let { script } = options;
  const server = http.createServer(async (request, response) => {
    const recorded = await record(request, response).catch(() => undefined);
    if (!recorded) return;
    if (recording) requests.push(recorded);
    if (!admits(request.headers)) {
      answer(response, 401, WRONG_KEY);
    } else {
      await serve(recorded, response, script);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    url: `http://${host}:${address.port}/v1`,
    port: address.port,
    requests,
    setScript: (next) => {
      script = next;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

const WRONG_KEY = {
  error: {
    message: 'Incorrect API key provided.',
    type: 'invalid_request_error',
    code: 'invalid_api_key',
  },
};

async function record(
  request: IncomingMessage,
  response: ServerResponse,
): Promise<RecordedRequest> {
  const ended = new Promise<'answered' | 'aborted'>((resolve) => {
    response.once('close', () => resolve(response.writableFinished ? 'answered' : 'aborted'));
  });
  const body = parse(decode(await buffer(request), request.headers['content-encoding']));
  const { method = '', url = '', headers } = request;
  return {
    method,
    path: url,
    headers,
    body,
    time: new Date(),
    seen: readModelRequest(body),
    ended,
  };
}

async function serve(
  { method, path, seen }: RecordedRequest,
  response: ServerResponse,
  script: Script,
): Promise<void> {
  const [pathname] = path.split('?', 1);
  if (method === 'POST' && pathname === '/v1/responses') {
    try {
      await performStep(await script(seen), seen, response);
    } catch (error) {
      // A mistake in a script shall be read in the failure of the turn.
      answer(response, 400, { error: { message: String(error), type: 'invalid_request_error' } });
    }
  } else if (method === 'POST' && pathname === '/v1/responses/compact') {
    answer(response, 200, { output: [], usage: STAND_IN_USAGE });
  } else if (method === 'GET' && pathname === '/v1/models') {
    answer(response, 200, { object: 'list', data: [], models: [] });
  } else {
    answer(response, 404, { error: { message: `no ${method} ${path} here` } });
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function decode(body: Buffer, encoding: string | undefined): Buffer {
  if (encoding === 'zstd') return zlib.zstdDecompressSync(body);
  return encoding === 'gzip' ? zlib.gunzipSync(body) : body;
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return body.toString();
  }
}
