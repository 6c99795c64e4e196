import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import type Docker from 'dockerode';
import { z } from 'zod';
import type { RuntimeKind } from '../../src/runtime/container-runtime.ts';
import { LABELS } from '../../src/runtime/docker/labels.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { extraAuthorities } from '../setup/engine.ts';
import type { BenchContext } from './bench-context.ts';
import { removeLabelled } from './labelled.ts';
import { type ServerCommand, ServerProcess } from './server-process.ts';

const MAIN = path.join(import.meta.dirname, '../../src/main.ts');
const PROGRAM = [MAIN, '--port', '0', '--env-file', os.devNull];
/** The first call may have to wait until the agent image is built. */
const CALL_TIMEOUT_MS = 15 * 60_000;
const TASK = 'Say hello';

const turnSchema = z.object({ turn_id: z.string() });
const healthSchema = z.object({ ready: z.boolean(), active_sessions: z.number() });

/** One `plan` call of a client that has been connected before; answers the id of the turn, throws if it fails. */
export type PlanCall = (agentId: string) => Promise<string>;

export type ProductOptions = {
  /** Environment variables over those of the benchmark. */
  settings?: Record<string, string>;
  /** Whether its heap shall be looked at. */
  inspected?: boolean;
};

type Installation = { id: string; command: ServerCommand };

/** The whole product, in a process of its own. */
export class Product {
  readonly #installation: Installation;
  readonly #cleanup: AsyncDisposableStack;
  #server: ServerProcess;

  private constructor(
    installation: Installation,
    server: ServerProcess,
    cleanup: AsyncDisposableStack,
  ) {
    this.#installation = installation;
    this.#server = server;
    this.#cleanup = cleanup;
  }

  static async start(
    runtime: RuntimeKind,
    context: BenchContext,
    { settings, inspected = false }: ProductOptions = {},
  ): Promise<Product> {
    const { cleanup, docker, model } = context;
    const dataDir = await mkdtemp(path.join(os.tmpdir(), 'codex-mcp-bench-'));
    cleanup.defer(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }));
    const id = readInstallationId(dataDir);
    if (docker && runtime === 'docker') {
      cleanup.defer(() => removeLabelled(docker, `${LABELS.installation}=${id}`));
    }
    context.interrupted.throwIfAborted();
    const basic = environmentOf(runtime, dataDir, {
      url: model.urlAt('127.0.0.1'),
      key: model.key,
    });
    const command = { program: PROGRAM, environment: { ...basic, ...settings }, inspected };
    const server = await ServerProcess.start(command, (end) => cleanup.defer(end));
    return new Product({ id, command }, server, cleanup);
  }

  get server(): ServerProcess {
    return this.#server;
  }

  /** Kills the server, of a sudden. */
  crash(): Promise<void> {
    return this.#server.kill();
  }

  /** Starts another server over the same data; resolves when it listens. */
  async restart(): Promise<void> {
    const { command } = this.#installation;
    this.#server = await ServerProcess.start(command, (end) => this.#cleanup.defer(end));
  }

  /** Connects a client of the MCP SDK over SSE. */
  async connect(): Promise<PlanCall> {
    const client = new Client({ name: 'bench', version: '1.0.0' });
    await client.connect(new SSEClientTransport(new URL(`${this.#server.url}/sse`)));
    this.#cleanup.defer(() => client.close());
    return async (agentId) => {
      const call = { name: 'plan', arguments: { task: TASK, agent_id: agentId } };
      const result = await client.callTool(call, undefined, { timeout: CALL_TIMEOUT_MS });
      if (result.isError) throw new Error(`plan failed: ${JSON.stringify(result.content)}`);
      return turnSchema.parse(result.structuredContent).turn_id;
    };
  }

  /** Calls a tool over plain HTTP; answers what it returned. */
  async call(tool: string, args: Record<string, unknown>): Promise<unknown> {
    const response = await fetch(`${this.#server.url}/tools/${tool}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(args),
    });
    if (response.ok) return response.json();
    throw new Error(`${tool} failed: ${await response.text()}`);
  }

  /** Calls `plan` without waiting for it; answers the id of the turn. */
  async submit(agentId: string): Promise<string> {
    const args = { task: TASK, agent_id: agentId, wait: false };
    return turnSchema.parse(await this.call('plan', args)).turn_id;
  }

  async health(): Promise<z.output<typeof healthSchema>> {
    const response = await fetch(`${this.#server.url}/health`);
    return healthSchema.parse(await response.json());
  }

  /** The engine's ids of the running containers of all agents, and the image they were made of. */
  async containers(docker: Docker): Promise<{ id: string; image: string; state: string }[]> {
    const filters = { label: [this.#label] };
    const found = await docker.listContainers({ filters });
    return found.map(({ Id, Image, State }) => ({ id: Id, image: Image, state: State }));
  }

  /** Removes the container and the volumes of an agent from under the server. */
  async remove(docker: Docker, agentId: string): Promise<void> {
    await removeLabelled(docker, this.#label, `${LABELS.agent}=${agentId}`);
  }

  get #label(): string {
    return `${LABELS.installation}=${this.#installation.id}`;
  }
}

function environmentOf(
  runtime: RuntimeKind,
  dataDir: string,
  model: { url: string; key: string },
): Record<string, string> {
  const authorities = extraAuthorities();
  const { PATH, HOME, DOCKER_HOST, AGENT_IMAGE } = process.env;
  return {
    ...(PATH && { PATH }),
    ...(HOME && { HOME }),
    ...(DOCKER_HOST && { DOCKER_HOST }),
    ...(AGENT_IMAGE && { AGENT_IMAGE }),
    ...(authorities && { EXTRA_CA_CERTS: authorities }),
    AGENT_RUNTIME: runtime,
    DATA_DIR: dataDir,
    OPENAI_API_KEY: model.key,
    OPENAI_BASE_URL: model.url,
    MAX_CONCURRENT_SESSIONS: '64',
    CONTAINER_STOP_TIMEOUT: '1',
    RATE_LIMIT_RPM: '0',
    REQUEST_LIMIT_RPM: '0',
    MONTHLY_BUDGET_LIMIT: '0',
    // Containers are removed here, by their label; processes end with the server.
    PERSISTENT_MODE: String(runtime === 'docker'),
  };
}

function readInstallationId(dataDir: string): string {
  const store = SqliteStore.open(dataDir);
  const { installationId } = store;
  store.close();
  return installationId;
}
