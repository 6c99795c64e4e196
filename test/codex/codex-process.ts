import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { connectAppServer } from '../../src/codex/app-server-client.ts';
import type { CodexClient } from '../../src/codex/codex-client.ts';

const [binary] = globSync(
  path.join(import.meta.dirname, '../../node_modules/@openai/codex-linux-*/vendor/*/bin/codex'),
);
if (!binary) throw new Error('The real Codex is not installed: npm install @openai/codex');
export const CODEX_BIN = binary;

/** A real `codex app-server` that listens on a socket of its own, with a home of its own. */
export class CodexProcess implements AsyncDisposable {
  readonly workspace: string;
  readonly home: string;
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #started: ChildProcess[] = [];

  static async start(modelUrl: string): Promise<CodexProcess> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'codex-test-'));
    const codex = new CodexProcess(folder);
    await mkdir(codex.workspace);
    await mkdir(codex.home);
    await mkdir(path.join(folder, 'tmp'));
    await writeFile(path.join(codex.home, 'config.toml'), configOf(modelUrl));
    codex.#spawn(['app-server', '--listen', `unix://${folder}/app.sock`], 'ignore');
    while (!existsSync(path.join(folder, 'app.sock'))) await sleep(5);
    return codex;
  }

  private constructor(folder: string) {
    this.#folder = folder;
    this.workspace = path.join(folder, 'workspace');
    this.home = path.join(folder, 'home');
    this.#env = {
      ...process.env,
      CODEX_HOME: this.home,
      HOME: folder,
      TMPDIR: path.join(folder, 'tmp'),
      TEST_MODEL_KEY: 'none',
    };
  }

  /** The stream and the process of one `codex app-server proxy`. */
  proxy(): { stream: Duplex; process: ChildProcess } {
    const child = this.#spawn(
      ['app-server', 'proxy', '--sock', `${this.#folder}/app.sock`],
      'pipe',
    );
    const { stdin, stdout } = child;
    if (!stdin || !stdout) throw new Error('The proxy has no stdio.');
    return { stream: Duplex.from({ readable: stdout, writable: stdin }), process: child };
  }

  /** Sends a signal to the app-server. */
  signal(signal: NodeJS.Signals): void {
    this.#started[0]?.kill(signal);
  }

  connect(stream: Duplex = this.proxy().stream, silenceMs = 10_000): Promise<CodexClient> {
    return connectAppServer({
      stream,
      log: pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' }),
      requestTimeoutMs: 10_000,
      silenceMs,
      clientVersion: '0.0.1',
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#started.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #spawn(args: string[], stdio: 'ignore' | 'pipe'): ChildProcess {
    const child = spawn(CODEX_BIN, args, {
      cwd: this.workspace,
      env: this.#env,
      stdio: [stdio, stdio, process.env.TEST_LOG_LEVEL ? 'inherit' : 'ignore'],
    });
    this.#started.push(child);
    return child;
  }
}

function configOf(modelUrl: string): string {
  return `model_provider = "scripted"
[tools.update_plan]
enabled = true
[features]
plugins = false
[analytics]
enabled = false
[model_providers.scripted]
name = "scripted"
base_url = "${modelUrl}"
wire_api = "responses"
env_key = "TEST_MODEL_KEY"
request_max_retries = 0
stream_max_retries = 1
`;
}
