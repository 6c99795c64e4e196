import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import { z } from 'zod';

const KILL_AFTER_MS = 10_000;
const LINES_KEPT = 50;
const INSPECTOR_LINE = /^Debugger listening on (ws:\/\/\S+)$/;

const listeningLine = z.object({ msg: z.literal('Listening'), url: z.string() });

export type ServerCommand = {
  /** A program for Node that logs where it listens, as the product does, and its arguments. */
  program: readonly string[];
  environment: Record<string, string>;
  /** Whether its memory shall be looked at. */
  inspected: boolean;
};

/** A server in a process of its own. */
export class ServerProcess {
  readonly url: string;
  /** Where its memory can be looked at, if that was asked for. */
  readonly inspectorUrl: string | undefined;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, said: { url: string; inspectorUrl?: string }) {
    this.#child = child;
    this.url = said.url;
    this.inspectorUrl = said.inspectorUrl;
  }

  /** Resolves when it listens; `begun` is called before, with what ends it. */
  static async start(
    { program, environment, inspected }: ServerCommand,
    begun: (end: () => Promise<void>) => void,
  ): Promise<ServerProcess> {
    const inspect = inspected ? ['--inspect=127.0.0.1:0'] : [];
    const child = spawn(process.execPath, [...inspect, ...program], {
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    begun(() => end(child));
    return new ServerProcess(child, await readAddresses(child));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async kill(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}

async function readAddresses(child: ChildProcess): Promise<{ url: string; inspectorUrl?: string }> {
  if (!child.stderr) throw new Error('The server has no log.');
  const lines: string[] = [];
  let inspectorUrl: string | undefined;
  const reader = readline.createInterface({ input: child.stderr });
  const found = Promise.withResolvers<{ url: string; inspectorUrl?: string }>();
  reader.on('line', (line) => {
    if (lines.length < LINES_KEPT) lines.push(line);
    inspectorUrl ??= INSPECTOR_LINE.exec(line)?.[1];
    const url = listeningLine.safeParse(parseJson(line)).data?.url;
    if (url) found.resolve({ url, ...(inspectorUrl && { inspectorUrl }) });
  });
  reader.on('close', () => found.reject(new Error(`The server ended:\n${lines.join('\n')}`)));
  return found.promise;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  child.kill('SIGTERM');
  await once(child, 'exit');
  clearTimeout(timer);
}
