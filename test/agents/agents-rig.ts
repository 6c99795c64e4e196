import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import Docker from 'dockerode';
import { pino } from 'pino';
import { AgentEvents } from '../../src/agents/agent-events.ts';
import { AgentManager } from '../../src/agents/agent-manager.ts';
import { HostDirectories } from '../../src/agents/host/host-directories.ts';
import { McpServers } from '../../src/agents/threads/mcp-servers.ts';
import { WarmPool } from '../../src/agents/warm-pool/warm-pool.ts';
import { WarmPoolRuntime } from '../../src/agents/warm-pool/warm-pool-runtime.ts';
import type { Config } from '../../src/config/config.ts';
import { ApiKeyUpstream } from '../../src/gateway/credentials/api-key-upstream.ts';
import { buildEgress } from '../../src/gateway/egress/egress.ts';
import { ModelGateway } from '../../src/gateway/model-gateway.ts';
import { chooseRuntime } from '../../src/runtime/choose-runtime.ts';
import type { ContainerRuntime, RuntimeKind } from '../../src/runtime/container-runtime.ts';
import { loadConfig } from '../../src/server/load-config.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { extraAuthorities } from '../setup/engine.ts';

/** The agents of one installation with real containers and real Codex in them; nobody asks a model. */
export class AgentsRig implements AsyncDisposable {
  readonly docker = new Docker();
  readonly config: Config;
  store: SqliteStore;
  agents: AgentManager;
  /** Knows the containers of the warm pool by their warmContainers, also those that were claimed. */
  readonly runtime: ContainerRuntime;
  pool: WarmPool;
  /** Whether calls wait for an agent. */
  isAwaited: (agentId: string) => boolean = () => false;
  readonly #gateway: ModelGateway;
  readonly #dataDir: string;
  readonly #log = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });

  private constructor(parts: {
    config: Config;
    store: SqliteStore;
    runtime: ContainerRuntime;
    dataDir: string;
  }) {
    this.config = parts.config;
    this.store = parts.store;
    this.runtime = parts.runtime;
    this.#dataDir = parts.dataDir;
    this.#gateway = new ModelGateway({
      egress: this.#egress().proxy,
      upstream: new ApiKeyUpstream(parts.config),
      maxRetries: 0,
      maxRetryWaitSeconds: 1,
      log: this.#log,
    });
    this.pool = this.#newPool();
    this.agents = this.#manager();
  }

  static async start(kind: RuntimeKind, environment: Record<string, string> = {}) {
    const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-agents-'));
    const authorities = extraAuthorities();
    const config = loadConfig({
      AGENT_RUNTIME: kind,
      DATA_DIR: dataDir,
      OPENAI_API_KEY: 'sk-nobody-asks',
      CONTAINER_STOP_TIMEOUT: '2',
      ...(process.env.DOCKER_HOST && { DOCKER_HOST: process.env.DOCKER_HOST }),
      ...(authorities && { EXTRA_CA_CERTS: authorities }),
      ...environment,
    });
    const store = SqliteStore.open(dataDir);
    const { installationId } = store;
    const log = pino({ level: 'silent' });
    const { runtime } = await chooseRuntime({ config, installationId, log });
    await runtime.prepare(() => undefined);
    return new AgentsRig({ config, store, runtime, dataDir });
  }

  #egress() {
    const { config, store } = this;
    return buildEgress({ config, store: store.egress, onDenied: () => undefined, log: this.#log });
  }

  /** What a server sees that starts after this one was killed: rows and containers, no connections. */
  async restart(): Promise<void> {
    await this.agents.close({ stopAgents: false });
    this.store.close();
    this.store = SqliteStore.open(this.#dataDir);
    this.pool = this.#newPool();
    this.agents = this.#manager();
    await this.agents.reconcile();
  }

  /** Uses an agent as a turn does. */
  async use(agentId: string): Promise<void> {
    await this.agents.withAgent(agentId, async ({ workspace }) => {
      await workspace.checkpoint();
    });
  }

  async shell(agentId: string, script: string): Promise<string> {
    const child = await this.runtime.exec(agentId, ['sh', '-c', script]);
    child.stdio.end();
    return text(child.stdio);
  }

  async stateOf(agentId: string): Promise<string | undefined> {
    return (await this.runtime.inspect(agentId))?.state;
  }

  /** Names of the volumes of this installation, or of the directories that stand for them. */
  async leftBehind(): Promise<string[]> {
    if (this.runtime.kind === 'process') return fs.readdirSync(path.join(this.#dataDir, 'agents'));
    const filters = { label: [`codex-mcp.installation=${this.store.installationId}`] };
    const { Volumes } = await this.docker.listVolumes({ filters });
    return (Volumes ?? []).map(({ Name }) => Name).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agents.close({ stopAgents: false });
    const containers = (await this.runtime.list()).map(({ agentId }) => agentId);
    const volumes = (await this.runtime.listVolumes()).map(({ agentId }) => agentId);
    for (const agentId of new Set([...containers, ...volumes])) {
      await this.runtime.remove(agentId, { volumes: true });
    }
    this.#gateway.close();
    this.store.close();
    fs.rmSync(this.#dataDir, { recursive: true, force: true });
  }

  #newPool(): WarmPool {
    const { runtime, store, config } = this;
    return new WarmPool({ runtime, store, config, version: '0.0.0-test', log: this.#log });
  }

  #manager(): AgentManager {
    const { runtime, store, config } = this;
    const version = '0.0.0-test';
    const log = this.#log;
    const { pool } = this;
    const gateway = this.#gateway;
    return new AgentManager({
      runtime: new WarmPoolRuntime(runtime, store.warmContainers),
      gateway,
      store,
      pool,
      mcpServers: McpServers.read(undefined),
      directories: new HostDirectories({ store, runtime, config }),
      events: new AgentEvents(log),
      isAwaited: (agentId) => this.isAwaited(agentId),
      config,
      version,
      log,
    });
  }
}
