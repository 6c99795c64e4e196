import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import http, { type IncomingHttpHeaders } from 'node:http';
import { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pino from 'pino';
import { ModelGateway, type ModelGatewayOptions } from '../../src/gateway/model-gateway.ts';
import { openTunnel, type Tunnel } from '../../src/gateway/tunnel.ts';
import type { ContainerProcess } from '../../src/runtime/container-runtime.ts';
import { answerAnything, type Script } from '../fakes/stand-in-model/script.ts';
import { type StandInModel, startStandInModel } from '../fakes/stand-in-model/stand-in-model.ts';
import { freePort } from '../machine/free-port.ts';
import { type EgressRig, type EgressRigOptions, openEgress } from './egress/egress-rig.ts';

const TUNNEL_PROGRAM = fileURLToPath(new URL('../../agent-image/tunnel.mjs', import.meta.url));

export const REAL_KEY = 'sk-real-key-of-the-provider';
export const TOKEN = 'token-of-the-agent';
export const log = pino({ level: 'silent' });

export type TunnelProcess = ContainerProcess & { pid: number; kill(): void };

/** Runs the program of the container as a child process. */
export function startTunnelProgram(port: number, keepSeconds = 0): TunnelProcess {
  const child = spawn(process.execPath, [TUNNEL_PROGRAM, String(keepSeconds)], {
    env: { CODEX_GATEWAY_PORT: String(port) },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return {
    stdio: Duplex.from({ readable: child.stdout, writable: child.stdin }).on('error', () => {}),
    stderr: child.stderr,
    exited: new Promise((resolve) => child.once('exit', (status) => resolve(status ?? undefined))),
    pid: child.pid ?? 0,
    kill: () => child.kill('SIGKILL'),
  };
}

export type Rig = AsyncDisposable & {
  gateway: ModelGateway;
  model: StandInModel;
  tunnel: Tunnel;
  program: TunnelProcess;
  port: number;
  /** What Codex would have as its base URL. */
  url: string;
  /** The agent's way to anything but the model. */
  out: EgressRig;
  /** Everything that was logged. */
  logged: () => string;
};

export type RigOptions = Partial<ModelGatewayOptions> & {
  script?: Script;
  upstreamUrl?: string;
  out?: EgressRigOptions;
};

/** A stand-in model, a gateway before it, and the tunnel of the agent `agent-1` that leads there. */
export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const { script = answerAnything, upstreamUrl, out: outOptions, ...gatewayOptions } = options;
  const model = await startStandInModel({ apiKey: REAL_KEY, script });
  const out = openEgress(outOptions);
  const lines: string[] = [];
  const gateway = new ModelGateway({
    upstream: {
      authorize: async () => ({
        baseUrl: upstreamUrl ?? model.url,
        headers: { authorization: `Bearer ${REAL_KEY}` },
      }),
    },
    maxRetries: 5,
    maxRetryWaitSeconds: 60,
    egress: out.egress.proxy,
    log: pino({ level: 'trace' }, { write: (line) => lines.push(line) }),
    ...gatewayOptions,
  });
  gateway.register('agent-1', sha256(TOKEN));
  const port = await freePort();
  const program = startTunnelProgram(port);
  const onConnection = (socket: Duplex) => gateway.attach('agent-1', socket);
  const tunnel = await openTunnel({ process: program, onConnection, log });
  return {
    ...{ gateway, model, tunnel, program, port, out },
    url: `http://127.0.0.1:${port}/v1`,
    logged: () => lines.join(''),
    [Symbol.asyncDispose]: async () => {
      tunnel.close();
      await program.exited;
      gateway.close();
      await model.close();
      out[Symbol.dispose]();
    },
  };
}

export function sha256(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

export type Reply = { status: number; headers: IncomingHttpHeaders; body: string };

export type AskOptions = {
  token?: string;
  path?: string;
  method?: string;
  body?: string | Buffer;
  headers?: Record<string, string>;
  signal?: AbortSignal;
};

/** Sends a request as Codex does, on a connection of its own. */
export async function ask(port: number, options: AskOptions = {}): Promise<Reply> {
  const response = await begin(port, options);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: await text(response),
  };
}

/** Like {@link ask}, but the answer is yet to be read. */
export function begin(port: number, options: AskOptions = {}): Promise<http.IncomingMessage> {
  const { token = TOKEN, path = '/v1/responses', method = 'POST', headers, signal } = options;
  const { body = method === 'POST' ? prompt('Hello') : undefined } = options;
  return new Promise((resolve, reject) => {
    const request = http.request({
      host: '127.0.0.1',
      ...{ port, path, method, signal, agent: false },
      headers: {
        'content-type': 'application/json',
        ...(token && { authorization: `Bearer ${token}` }),
        ...headers,
      },
    });
    request.on('response', resolve).on('error', reject).end(body);
  });
}

function prompt(words: string): string {
  const content = [{ type: 'input_text', text: words }];
  return JSON.stringify({ input: [{ type: 'message', role: 'user', content }] });
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}
