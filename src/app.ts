import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { Access } from './access/access.ts';
import { ApiTokens } from './access/api-tokens.ts';
import { Authenticator } from './access/authenticator.ts';
import type { CallerAgents } from './access/caller-agents.ts';
import { AgentManager } from './agents/agent-manager.ts';
import { startIdleReaper } from './agents/idle-reaper.ts';
import { WarmPool } from './agents/warm-pool.ts';
import { type Config, isLoopback } from './config/config.ts';
import { ApiKeyUpstream } from './credentials/api-key-upstream.ts';
import { ModelGateway } from './gateway/model-gateway.ts';
import { checkHealth } from './health/health-check.ts';
import type { AgentFeed } from './http/agent-routes.ts';
import { buildHttpServer } from './http/http-server.ts';
import { chooseRuntime } from './runtime/choose-runtime.ts';
import { RuntimePreparation } from './runtime/runtime-preparation.ts';
import { SlottedRuntime } from './runtime/slotted-runtime.ts';
import { SqliteStore } from './store/sqlite/sqlite-store.ts';
import { SqliteTokenStore } from './store/sqlite/sqlite-token-store.ts';
import type { Store } from './store/store.ts';
import { outlookOf } from './tools/agent-tools.ts';
import { allTools, TOOL_ALIASES, TURN_KINDS } from './tools/catalog.ts';
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
      ...{ runtime, runtimeWarning: warning, preparation, agents },
      ...{ store, credentials, config, version },
    });
  agents.keepWhile((agentId) => turns.load(agentId) > 0);
  const access = new Access({ store, turns, events: agents.events });
  const toolbox = new Toolbox(allTools({ access, agents, turns, store, runtime, config, health }), {
    aliases: TOOL_ALIASES,
    maxCalls: config.MAX_CONCURRENT_CALLS,
  });
  const tokens = SqliteTokenStore.open(config.DATA_DIR);
  const authenticator = authenticatorOf(new ApiTokens(tokens), config, log);
  const http = buildHttpServer({
    authenticator,
    turns: (principal) => access.turns(principal),
    agents: (principal) => agentFeed(access.agents(principal), agents, config),
    ...{ config, toolbox, health, log, version },
  });

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
      tokens.close();
      store.close();
    },
  };
}

function authenticatorOf(tokens: ApiTokens, config: Config, log: Logger): Authenticator {
  const onLoopback = isLoopback(config.MCP_HOST);
  const authenticator = new Authenticator({ tokens, config, isLoopback: onLoopback, log });
  if (authenticator.isOpen) {
    const who = onLoopback ? 'Every user of this machine' : 'Whoever reaches the port';
    log[onLoopback ? 'info' : 'warn'](`${who} may call: no token is needed`);
  } else if (!authenticator.canLogIn) {
    log.warn('Nobody can call yet: make a token with codex-mcp-server token create');
  }
  return authenticator;
}

function agentFeed(own: CallerAgents, agents: AgentManager, config: Config): AgentFeed {
  return {
    listen: (listener) => own.listen(listener),
    outlooks(name) {
      const records = name === undefined ? own.list() : [own.get(name)];
      return records.map((record) => ({
        agent_id: own.nameOf(record.agentId),
        ...outlookOf({ agents, config }, record),
      }));
    },
  };
}

function urlOf(address: AddressInfo | string | null, host: string): string {
  const port = typeof address === 'object' && address ? address.port : 0;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
