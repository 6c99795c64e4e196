import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { text } from 'node:stream/consumers';
import { CODEX_BIN } from '../codex/codex-process.ts';
import { BareAppServer } from './bare-app-server.ts';
import type { BenchContext } from './bench-context.ts';
import type { Work } from './model-probe.ts';

const IMAGE_CONFIG = path.join(import.meta.dirname, '../../agent-image/config.toml');
const IMAGE_GATEWAY = 'http://127.0.0.1:8211/v1';

/** The Codex of this machine, with the settings of the agent image and no server around it. */
export class HostCodex {
  readonly #workspace: string;
  readonly #schemaFile: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #cleanup: AsyncDisposableStack;

  private constructor(folder: string, key: string, cleanup: AsyncDisposableStack) {
    this.#workspace = path.join(folder, 'workspace');
    this.#schemaFile = path.join(folder, 'schema.json');
    this.#cleanup = cleanup;
    this.#environment = {
      PATH: process.env.PATH,
      HOME: folder,
      CODEX_HOME: path.join(folder, 'home'),
      CODEX_GATEWAY_TOKEN: key,
    };
  }

  static async prepare({ cleanup, model }: BenchContext): Promise<HostCodex> {
    // Not below the temporary directory, where Codex does not make its helper programs.
    const folder = await mkdtemp(path.join(os.homedir(), '.codex-bench-'));
    cleanup.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const codex = new HostCodex(folder, model.key, cleanup);
    await mkdir(path.join(folder, 'home'));
    await mkdir(codex.#workspace);
    execFileSync('git', ['init', '-q', codex.#workspace]);
    const config = await readFile(IMAGE_CONFIG, 'utf8');
    await writeFile(
      path.join(folder, 'home/config.toml'),
      config.replaceAll(IMAGE_GATEWAY, model.urlAt('127.0.0.1')),
    );
    return codex;
  }

  /** An app-server on its standard input and output, with a thread. */
  async startAppServer(work: Work): Promise<BareAppServer> {
    const child = this.#spawn(['app-server'], ['pipe', 'pipe', 'ignore']);
    this.#cleanup.defer(() => kill(child));
    const { stdin, stdout } = child;
    if (!stdin || !stdout) throw new Error('The app-server has no stdio.');
    stdin.on('error', () => undefined);
    const server = await BareAppServer.connect({
      incoming: readline.createInterface({ input: stdout }),
      send: (message) => stdin.write(`${message}\n`),
    });
    await server.startThread(this.#workspace, work);
    return server;
  }

  /** Answers one prompt with a process of its own, as many wrappers do. */
  async exec({ prompt, outputSchema, model, effort }: Work): Promise<void> {
    await writeFile(this.#schemaFile, JSON.stringify(outputSchema));
    const settings = ['--json', '--sandbox', 'read-only', '--skip-git-repo-check', '-m', model];
    if (effort) settings.push('-c', `model_reasoning_effort=${effort}`);
    const schema = ['--output-schema', this.#schemaFile];
    const child = this.#spawn(['exec', ...settings, ...schema, prompt], ['ignore', 'pipe', 'pipe']);
    const { stdout, stderr } = child;
    if (!stdout || !stderr) throw new Error('codex exec has no output.');
    const [events, complaint] = await Promise.all([
      text(stdout),
      text(stderr),
      once(child, 'close'),
    ]);
    if (events.includes('"turn.completed"')) return;
    throw new Error(`codex exec failed: ${complaint.slice(-500)} ${events.slice(-500)}`);
  }

  #spawn(args: string[], stdio: ('pipe' | 'ignore')[]): ChildProcess {
    return spawn(CODEX_BIN, args, { cwd: this.#workspace, env: this.#environment, stdio });
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
