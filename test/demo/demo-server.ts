import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { healthReport } from '../../src/tools/health-tool.ts';

const MAIN = path.join(import.meta.dirname, '../../src/main.ts');
const KEPT_LINES = 12;
const POLL_MS = 200;
/** The server itself gives up waiting earlier. */
const STOP_LIMIT_MS = 12_000;

const logLine = z.looseObject({
  level: z.number(),
  msg: z.string(),
  url: z.string().optional(),
  step: z.string().optional(),
});

export type ServerOptions = {
  environment: NodeJS.ProcessEnv;
  /** Ends all waiting; aborted by the server when it ends by itself. */
  interruption: AbortController;
  /** Hears what the server makes before agents can start, such as the image. */
  onStep: (step: string) => void;
};

export type Readiness = { ok: true } | { ok: false; reason: string };

/** The server as users start it: a process of its own. */
export class DemoServer {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal;
  #stopping = false;

  private constructor(url: string, child: ChildProcess, signal: AbortSignal) {
    this.url = url;
    this.#child = child;
    this.#signal = signal;
  }

  /** Resolves when it listens. */
  static async start({ environment, interruption, onStep }: ServerOptions): Promise<DemoServer> {
    const child = spawn(process.execPath, [MAIN], {
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
      // Ctrl-C reaches the demo alone, which then ends the server in order.
      detached: true,
    });
    const killAtExit = () => child.kill('SIGKILL');
    process.once('exit', killAtExit);
    child.once('exit', () => process.off('exit', killAtExit));
    const { signal } = interruption;
    try {
      const url = await untilListening(child, signal, onStep);
      const server = new DemoServer(url, child, signal);
      child.once('exit', () => {
        if (!server.#stopping) interruption.abort(new Error('The server ended by itself.'));
      });
      return server;
    } catch (error) {
      await end(child);
      throw error;
    }
  }

  async health(): Promise<z.output<typeof healthReport>> {
    const response = await fetch(`${this.url}/health`, { signal: this.#signal });
    return healthReport.parse(await response.json());
  }

  /** Waits until agents can start, or tells why they cannot. */
  async untilReady(): Promise<Readiness> {
    for (;;) {
      const { runtime, problems } = await this.health();
      if (runtime.state === 'ready') return { ok: true };
      if (runtime.state === 'failed') return { ok: false, reason: problems.join('\n') };
      await sleep(POLL_MS, undefined, { signal: this.#signal });
    }
  }

  stop(): Promise<void> {
    this.#stopping = true;
    return end(this.#child);
  }
}

function untilListening(
  child: ChildProcess,
  signal: AbortSignal,
  onStep: (step: string) => void,
): Promise<string> {
  const last: string[] = [];
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    child.once('error', reject);
    child.once('close', () => reject(new Error(`The server did not start:\n${last.join('\n')}`)));
    if (!child.stderr) throw new Error('The server has no log.');
    readline.createInterface({ input: child.stderr }).on('line', (line) => {
      const { url, step, msg } = parse(line);
      if (url !== undefined) resolve(url);
      if (step !== undefined) onStep(step);
      if (last.push(msg) > KEPT_LINES) last.shift();
    });
  });
}

/** What is not JSON is a sentence for the user, such as about a wrong setting. */
function parse(line: string): z.output<typeof logLine> {
  try {
    return logLine.parse(JSON.parse(line));
  } catch {
    return { level: 0, msg: line };
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
  await exited;
  clearTimeout(kill);
}
