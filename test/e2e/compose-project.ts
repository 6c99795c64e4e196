import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { LABELS } from '../../src/runtime/docker/labels.ts';
import type { Script } from '../fakes/stand-in-model/script.ts';
import { type StandInModel, startStandInModel } from '../fakes/stand-in-model/stand-in-model.ts';
import { freePort } from '../machine/free-port.ts';
import { BASE_IMAGE } from '../setup/base-image.ts';
import { ensureInstalled } from '../setup/debian.ts';
import { extraAuthorities } from '../setup/engine.ts';
import { REAL_KEY } from './test-server.ts';

const execute = promisify(execFile);
const CHECKOUT = path.join(import.meta.dirname, '../..');
/** Without what a developer keeps beside it: .env, extra-ca.crt. */
const SOURCES = [
  '.dockerignore',
  '.npmrc',
  'Dockerfile',
  'agent-image',
  'docker-compose.yml',
  'package-lock.json',
  'package.json',
  'prices.json',
  'src',
  'tsconfig.build.json',
  'tsconfig.json',
];
export const SERVICE = 'codex-mcp-server';
const SOCKET = '/var/run/docker.sock';
const POLL_MS = 500;
const READY_POLLS = 1200;
const OUTPUT_BYTES = 64 * 1024 * 1024;

/** The server as docker-compose.yml runs it, apart from any other on this engine. */
export class ComposeProject implements AsyncDisposable {
  readonly docker: Docker;
  readonly name = `codex-mcp-test-${randomBytes(4).toString('hex')}`;
  /** The only agent that tests may use: it is removed with the project. */
  readonly agentId = this.name;
  readonly #cleanup: AsyncDisposableStack;
  readonly #directory: string;
  readonly #program: readonly string[];
  readonly #port: number;
  readonly #profile: string;

  private constructor(options: {
    cleanup: AsyncDisposableStack;
    docker: Docker;
    directory: string;
    program: readonly string[];
    port: number;
    profile: string;
  }) {
    this.docker = options.docker;
    this.#cleanup = options.cleanup;
    this.#directory = options.directory;
    this.#program = options.program;
    this.#port = options.port;
    this.#profile = options.profile;
  }

  /** Copies what is needed, and writes the settings as a user would. Starts nothing but the model. */
  static async create(script: Script, profile = 'codex-mcp'): Promise<ComposeProject> {
    await using cleanup = new AsyncDisposableStack();
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-compose-'));
    cleanup.defer(() => fs.rmSync(directory, { recursive: true, force: true }));
    for (const source of SOURCES) {
      fs.cpSync(path.join(CHECKOUT, source), path.join(directory, source), { recursive: true });
    }
    const authorities = extraAuthorities();
    if (authorities) fs.copyFileSync(authorities, path.join(directory, 'extra-ca.crt'));
    const docker = new Docker();
    const host = await hostGateway(docker);
    const model = cleanup.use(await startStandInModel({ host, apiKey: REAL_KEY, script }));
    const [program, port] = await Promise.all([composeProgram(), freePort()]);
    const project = new ComposeProject({
      cleanup: cleanup.move(),
      docker,
      directory,
      program,
      port,
      profile,
    });
    project.#writeSettings(model);
    return project;
  }

  get url(): string {
    return `http://localhost:${this.#port}`;
  }

  /** `docker-compose --profile …`; answers what it wrote. */
  async compose(...command: string[]): Promise<string> {
    const [file = '', ...leading] = this.#program;
    const { stdout } = await execute(file, [...leading, '--profile', this.#profile, ...command], {
      cwd: this.#directory,
      env: engineEnvironment(),
      maxBuffer: OUTPUT_BYTES,
    });
    return stdout;
  }

  /** Waits until the server can serve calls. */
  async ready(): Promise<void> {
    let last: unknown;
    for (let poll = 0; poll < READY_POLLS; poll++) {
      last = await fetch(`${this.url}/health`)
        .then((answer) => answer.json())
        .catch((error: unknown) => String(error));
      if (isReady(last)) return;
      await sleep(POLL_MS);
    }
    const logs = await this.compose('logs', SERVICE);
    throw new Error(`The server is not ready: ${JSON.stringify(last)}\n${logs.slice(-4000)}`);
  }

  server(): Promise<Docker.ContainerInspectInfo> {
    return this.docker.getContainer(this.name).inspect();
  }

  /** The container of the agent. */
  async agent(): Promise<Docker.ContainerInspectInfo> {
    const [found] = await this.docker.listContainers({ all: true, filters: this.#agentFilter() });
    if (!found) throw new Error('The agent has no container.');
    return this.docker.getContainer(found.Id).inspect();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.compose('down', '--volumes', '--rmi', 'local', '--timeout', '10');
    } finally {
      await this.#removeAgent();
      await this.#removeBuildStage();
      await this.#cleanup.disposeAsync();
    }
  }

  #writeSettings(model: StandInModel): void {
    const socket = process.env.DOCKER_HOST?.replace(/^unix:\/\//, '') ?? SOCKET;
    const settings = {
      COMPOSE_PROJECT_NAME: this.name,
      CODEX_MCP_NAME: this.name,
      CODEX_MCP_CONFIG: './config',
      DOCKER_SOCKET: socket,
      DOCKER_GID: fs.statSync(socket).gid,
      MCP_PORT: this.#port,
      OPENAI_BASE_URL: `http://host.docker.internal:${model.port}/v1`,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    fs.writeFileSync(path.join(this.#directory, '.env'), lines.join(''));
    fs.mkdirSync(path.join(this.#directory, 'config'));
    fs.writeFileSync(path.join(this.#directory, 'config/.env'), `OPENAI_API_KEY="${REAL_KEY}"\n`);
  }

  async #removeAgent(): Promise<void> {
    const filters = this.#agentFilter();
    for (const { Id } of await this.docker.listContainers({ all: true, filters })) {
      await this.docker.getContainer(Id).remove({ force: true });
    }
    const { Volumes } = await this.docker.listVolumes({ filters });
    for (const { Name } of Volumes ?? []) await this.docker.getVolume(Name).remove();
  }

  /** Untagged as it is, compose does not remove it; of a failed build there is a container too. */
  async #removeBuildStage(): Promise<void> {
    const label = ['codex-mcp.stage=build'];
    await this.docker.pruneContainers({ filters: { label } });
    await this.docker.pruneImages({ filters: { label, dangling: ['true'] } });
  }

  #agentFilter() {
    return { label: [`${LABELS.agent}=${this.agentId}`] };
  }
}

/** The plugin where there is one, else the older program. */
async function composeProgram(): Promise<readonly string[]> {
  const plugin = ['docker', 'compose'] as const;
  try {
    await execute(plugin[0], [plugin[1], 'version']);
    return plugin;
  } catch {
    const log = (line: string) => process.stderr.write(`[compose] ${line}\n`);
    await ensureInstalled('docker-compose', ['docker-compose'], log);
    return ['docker-compose'];
  }
}

/** The address of this machine that containers know as host.docker.internal. */
export async function hostGateway(docker: Docker): Promise<string> {
  const output = new PassThrough();
  const command = ['getent', 'ahostsv4', 'host.docker.internal'];
  await docker.run(BASE_IMAGE, command, output, {
    Tty: true,
    HostConfig: { AutoRemove: true, ExtraHosts: ['host.docker.internal:host-gateway'] },
  });
  const [address = ''] = (await text(output.end())).split(/\s/, 1);
  return address;
}

/** Nothing of the settings that this machine may have for servers of its own. */
function engineEnvironment(): NodeJS.ProcessEnv {
  const isWanted = (name: string) => /^(PATH|HOME|DOCKER_(?!GID|SOCKET))/.test(name);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => isWanted(name)));
}

function isReady(health: unknown): boolean {
  const report = health as { ready?: boolean; runtime?: { state?: string } };
  return report.ready === true && report.runtime?.state === 'ready';
}
