import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { AgentManager } from './agents/agent-manager.ts';
import { startIdleReaper } from './agents/idle-reaper.ts';
import { WarmPool } from './agents/warm-pool.ts';
import type { Config } from './config/config.ts';
import { ApiKeyUpstream } from './credentials/api-key-upstream.ts';
import { ModelGateway } from './gateway/model-gateway.ts';
import { checkHealth } from './health/health-check.ts';
import type { AgentFeed } from './http/agent-routes.ts';
import { buildHttpServer } from './http/http-server.ts';
import { chooseRuntime } from './runtime/choose-runtime.ts';
import { RuntimePreparation } from './runtime/runtime-preparation.ts';
import { SlottedRuntime } from './runtime/slotted-runtime.ts';
import { SqliteStore } from './store/sqlite/sqlite-store.ts';
import type { Store } from './store/store.ts';
import { outlookOf } from './tools/agent-tools.ts';
import { allTools, TOOL_ALIASES, TURN_KINDS } from './tools/catalog.ts';
import { knownAgent } from './tools/session-tools.ts';
import { Toolbox } from './tools/toolbox.ts';
import { TurnRunner } from './turns/turn-runner.ts';
import { TurnService } from './turns/turn-service.ts';

export type App = {
  /** Such as `http://127.0.0.1:8210`. */
  url: string;
  /** Resolves when the image or the like is there, or could not be made; see health. */
  prepared: Promise<void>;
  /** Interrupts what runs, answers its callers, and lets go of everything. */
  close(): Promise<void>;
};

type AppOptions = { config: Config; log: Logger; version: string };

/** Wires all parts together and listens. The one place that knows every adapter. */
export async function startApp(options: AppOptions): Promise<App> {
  const store = SqliteStore.open(options.config.DATA_DIR);
  try {
    return await startWith(store, options);
  } catch (error) {
    store.close();
    throw error;
  }
}

async function startWith(store: Store, { config, log, version }: AppOptions): Promise<App> {
  const { installationId } = store;
  const hasContainers = store.runtimeKind === 'docker' && store.agents.list().length > 0;
  const chosen = await chooseRuntime({ config, installationId, hasContainers, log });
  const { runtime: engine, warning } = chosen;
  store.setRuntimeKind(engine.kind);
  const runtime = new SlottedRuntime(engine, store.slots);
  const pool = new WarmPool({ runtime: engine, store, config, version, log });
  const credentials = new ApiKeyUpstream(config);
  const gateway = new ModelGateway({
    upstream: credentials,
    maxRetries: config.MODEL_MAX_RETRIES,
    maxRetryWaitSeconds: config.MODEL_MAX_RETRY_WAIT,
    log,
  });
  const agents = new AgentManager({ runtime, gateway, store, pool, config, version, log });
  const runner = new TurnRunner({ runtime, gateway, agents, config, log });
  const kinds = TURN_KINDS;
  const turns = new TurnService({ kinds, agents, runner, store, credentials, config, log });
  const preparation = new RuntimePreparation(runtime, log);
  const health = () =>
    checkHealth({
      runtime,
      runtimeWarning: warning,
      preparation,
      agents,
      store,
      credentials,
      config,
      version,
    });
  agents.keepWhile((agentId) => turns.load(agentId) > 0);
  const toolbox = new Toolbox(allTools({ agents, turns, store, runtime, config, health }), {
    aliases: TOOL_ALIASES,
    maxCalls: config.MAX_CONCURRENT_CALLS,
  });
  const feed = agentFeed(agents, store, config);
  const http = buildHttpServer({ config, toolbox, turns, agents: feed, health, log, version });

  await agents
    .reconcile()
    .catch((error) => log.error({ err: error }, 'No container could be adopted'));
  await http.listen({ host: config.MCP_HOST, port: config.MCP_PORT });
  // Before any request is read, so that earlier turns keep their places in the queues.
  turns.recover();
  const stopReaper = startIdleReaper({ agents, store, config, log });
  const prepared = preparation.run();

  return {
    url: urlOf(http.server.address(), config.MCP_HOST),
    prepared,
    async close() {
      // Callers hear at once that the server stops, however long the step takes that the reaper is at.
      const reaped = stopReaper();
      await turns.close({ interrupt: !config.PERSISTENT_MODE });
      await http.close();
      await reaped;
      await agents.close({ stopAgents: !config.PERSISTENT_MODE });
      gateway.close();
      store.close();
    },
  };
}

function agentFeed(agents: AgentManager, store: Store, config: Config): AgentFeed {
  return {
    events: agents.events,
    outlooks(agentId) {
      const records = agentId ? [knownAgent(store, agentId)] : store.agents.list();
      return records.map((record) => outlookOf({ agents, config }, record));
    },
  };
}

function urlOf(address: AddressInfo | string | null, host: string): string {
  const port = typeof address === 'object' && address ? address.port : 0;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
