import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { Connection } from '../e2e/test-server.ts';
import { freePort } from '../machine/free-port.ts';
import { nodeEnvironment } from '../setup/node-programs.ts';

const MAIN = path.join(import.meta.dirname, '../../src/main.ts');
const LIFE_LIMIT_MS = 50_000;

type Settings = Record<string, string>;

/** Where nobody's settings are: neither those of this machine nor a server on the usual port. */
export async function cleanSettings(): Promise<Settings> {
  return {
    ...nodeEnvironment(),
    MCP_PORT: String(await freePort()),
  };
}

/** The SDK's client of `codex-hangar stdio`. */
export async function connectStdio(args: string[], settings: Settings): Promise<Connection> {
  const client = new Client({ name: 'stdio', version: '1.0.0' });
  const command = { command: process.execPath, args: [MAIN, 'stdio', ...args] };
  await client.connect(
    new StdioClientTransport({
      ...command,
      env: settings,
      stderr: process.env.TEST_LOG_LEVEL ? 'inherit' : 'ignore',
    }),
  );
  return { client, progress: [], [Symbol.asyncDispose]: () => client.close() };
}

export type StdioProgram = AsyncDisposable & {
  process: ChildProcess;
  lines: string[];
  send(message: Record<string, unknown>): void;
  leave(): void;
  ended: Promise<{ code: number | null; stderr: string; lines: string[] }>;
};

/** The same without a client, for what clients do not show. */
export function startStdio(args: string[], settings: Settings, cwd?: string): StdioProgram {
  const child = spawn(process.execPath, [MAIN, 'stdio', ...args], {
    env: settings,
    cwd,
    timeout: LIFE_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  const lines: string[] = [];
  let stderr = '';
  readline.createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  child.stdin.on('error', () => {});
  const ended = once(child, 'close').then(([code]) => ({ code, stderr, lines }));
  return {
    process: child,
    lines,
    ended,
    send: (message) =>
      void child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`),
    leave: () => void child.stdin.end(),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export const INITIALIZE = {
  method: 'initialize',
  params: {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'raw', version: '1' },
  },
};

export type Line = AsyncDisposable & { url: string; cut(): Promise<void>; mend(): Promise<void> };

/** A way to the server that can be cut and mended. */
export async function lineTo(server: { url: string }): Promise<Line> {
  const target = Number(new URL(server.url).port);
  const sockets = new Set<Socket>();
  const proxy = net.createServer((near) => {
    const far = net.connect(target, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket
        .on('error', () => {})
        .on('close', () => [near, far].forEach((end) => void end.destroy()));
    }
    near.pipe(far).pipe(near);
  });
  const listen = (port: number) =>
    new Promise<void>((resolve) => proxy.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = proxy.address() as AddressInfo;
  const cut = async () => {
    const closed = new Promise((resolve) => proxy.close(resolve));
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await closed;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    cut,
    mend: () => listen(port),
    [Symbol.asyncDispose]: cut,
  };
}
