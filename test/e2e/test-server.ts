import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { pino } from 'pino';
import type { Config } from '../../src/config/config.ts';
import { chooseRuntime } from '../../src/runtime/choose-runtime.ts';
import type { RuntimeKind } from '../../src/runtime/container-runtime.ts';
import { type App, startApp } from '../../src/server/app.ts';
import { loadConfig } from '../../src/server/load-config.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { Script } from '../fakes/stand-in-model/script.ts';
import { type StandInModel, startStandInModel } from '../fakes/stand-in-model/stand-in-model.ts';
import { GVISOR_ROOM, runtime as otherRuntime } from '../machine/oci-runtime.ts';
import { extraAuthorities } from '../setup/engine.ts';

/** What the model provider knows us by, and what no container may ever hold. */
export const REAL_KEY = 'sk-real-key-5f1c9a';

export type TestServer = AsyncDisposable & {
  readonly config: Config;
  readonly model: StandInModel;
  readonly dataDir: string;
  url: string;
  /** Stops the server and starts another one over the same data. */
  restart(environment?: Record<string, string>): Promise<void>;
  stop(): Promise<void>;
};

type TestServerOptions = {
  runtime: RuntimeKind;
  script: Script;
  environment?: Record<string, string>;
  /** Where the server keeps its data, if not in a directory of its own that goes with it. */
  dataDir?: string;
};

/** The whole product with real Codex in it; only the model is a stand-in. Disposal removes every agent. */
export async function startTestServer(options: TestServerOptions): Promise<TestServer> {
  const model = await startStandInModel({ apiKey: REAL_KEY, script: options.script });
  const dataDir = options.dataDir ?? fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-e2e-'));
  const base = environmentFor(options, model, dataDir);
  const configFor = (more: Record<string, string> = {}) =>
    loadConfig({ ...base, ...options.environment, ...more });
  const log = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
  const start = (config: Config) => startApp({ config, log, version: '0.0.0-test' });
  const config = configFor();
  let app: App | undefined = await start(config);
  await app.prepared;
  const stop = async () => {
    await app?.close();
    app = undefined;
  };
  const server: TestServer = {
    config,
    model,
    dataDir,
    url: app.url,
    stop,
    async restart(environment) {
      await stop();
      app = await start(configFor(environment));
      server.url = app.url;
    },
    async [Symbol.asyncDispose]() {
      await stop();
      // Not over a way to the engine that the test may have shut.
      await removeAgents(loadConfig(base));
      await model.close();
      if (!options.dataDir) fs.rmSync(dataDir, { recursive: true, force: true });
    },
  };
  return server;
}

/** The settings of a test server. */
export function environmentFor(
  { runtime }: Pick<TestServerOptions, 'runtime'>,
  model: StandInModel,
  dataDir: string,
): Record<string, string> {
  const authorities = extraAuthorities();
  return {
    AGENT_RUNTIME: runtime,
    DATA_DIR: dataDir,
    MCP_PORT: '0',
    OPENAI_API_KEY: REAL_KEY,
    OPENAI_BASE_URL: model.url,
    CONTAINER_STOP_TIMEOUT: '2',
    // Tests call faster than anybody.
    RATE_LIMIT_RPM: '0',
    REQUEST_LIMIT_RPM: '0',
    ...(process.env.DOCKER_HOST && { DOCKER_HOST: process.env.DOCKER_HOST }),
    ...(authorities && { EXTRA_CA_CERTS: authorities }),
    // Most tests can be had under another runtime by hand.
    ...(otherRuntime && { CONTAINER_RUNTIME: otherRuntime, ...GVISOR_ROOM }),
  };
}

/** Removes every agent of a data directory whose server has stopped. */
export async function removeAgents(config: Config): Promise<void> {
  const store = SqliteStore.open(config.DATA_DIR);
  const { installationId } = store;
  const log = pino({ level: 'silent' });
  const { runtime } = await chooseRuntime({ config, installationId, log });
  for (const { agentId } of store.agents.list()) await runtime.remove(agentId, { volumes: true });
  store.close();
}

export type Connection = AsyncDisposable & { client: Client; progress: string[] };

/** A client of the MCP SDK, over the transport that most configurations name or the newer one. */
export async function connect(
  server: { url: string },
  transport: 'sse' | 'http' = 'sse',
  query = '',
  token?: string,
): Promise<Connection> {
  const client = new Client({ name: 'e2e', version: '1.0.0' });
  const Transport = transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
  const route = transport === 'sse' ? '/sse' : '/mcp';
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const url = new URL(`${server.url}${route}${query}`);
  await client.connect(new Transport(url, { requestInit: { headers } }));
  return { client, progress: [], [Symbol.asyncDispose]: () => client.close() };
}

export type CallOptions = { signal?: AbortSignal; timeout?: number };

/** Calls a tool; answers what it returned, or throws what it failed with. */
export async function call(
  { client, progress }: Connection,
  name: string,
  args: Record<string, unknown> = {},
  options: CallOptions = {},
  // biome-ignore lint/suspicious/noExplicitAny: tests look into results of every tool
): Promise<any> {
  const result = await client.callTool({ name, arguments: args }, undefined, {
    timeout: 120_000,
    ...options,
    onprogress: ({ message }) => progress.push(message ?? ''),
  });
  const [block] = result.content as { type: string; text: string }[];
  if (result.isError) throw new ToolFailure(block?.text ?? '');
  return result.structuredContent;
}

class ToolFailure extends Error {
  get code(): string {
    return this.message.split(':', 1)[0] ?? '';
  }
}
