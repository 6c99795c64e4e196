import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { SERVER } from '../audit/audit-log.ts';
import type { Redactor } from '../audit/redaction/redactor.ts';
import { redactorOf } from '../audit/redaction/redactor-of.ts';
import { SqliteAuditLog } from '../audit/sqlite-audit-log.ts';
import { ApiTokens } from '../callers/authentication/api-tokens.ts';
import { Authenticator } from '../callers/authentication/authenticator.ts';
import { type Config, isLoopback } from '../config/config.ts';
import { SqliteStore } from '../store/sqlite/sqlite-store.ts';
import { SqliteTokenStore } from '../store/sqlite/sqlite-token-store.ts';
import type { Store } from '../store/store.ts';
import { buildHttpServer } from '../transports/http-server.ts';
import { AccessAudit } from './audited/access-audit.ts';
import { startIdleReaper } from './idle-reaper.ts';
import { createServices, type Services } from './services.ts';

export type App = {
  /** Such as `http://127.0.0.1:8210`. */
  url: string;
  /** Resolves when the runtime is prepared, or failed to be; health shows which. */
  prepared: Promise<void>;
  /** Ends turns as PERSISTENT_MODE says, answers callers, and closes everything. */
  close(): Promise<void>;
};

type AppOptions = {
  config: Config;
  /** The redactor of the log, so that both know the same secrets. Default: a new one. */
  redactor?: Redactor;
  log: Logger;
  version: string;
};
type ServerOptions = Required<AppOptions>;

/** Opens the stores, creates all services and listens. */
export async function startApp(given: AppOptions): Promise<App> {
  const options = { ...given, redactor: given.redactor ?? redactorOf(given.config) };
  const { DATA_DIR } = options.config;
  using opened = new DisposableStack();
  const store = opened.adopt(SqliteStore.open(DATA_DIR), (each) => each.close());
  const tokens = opened.adopt(SqliteTokenStore.open(DATA_DIR), (each) => each.close());
  const audit = opened.adopt(openAudit(options), (each) => each.close());
  audit.append({ type: 'server_started', principal: SERVER, data: { version: options.version } });
  const accessAudit = opened.adopt(new AccessAudit(audit, tokens), (each) => each.close());
  const authenticator = authenticatorOf({ ...options, tokens, audit: accessAudit });
  const services = await createServices({ ...options, store, audit, authenticator });
  const http = createHttp(services, { ...options, authenticator });
  const app = await run(store, { services, http, options });
  const stores = opened.move();
  return {
    ...app,
    async close() {
      await app.close();
      audit.append({ type: 'server_stopped', principal: SERVER });
      stores.dispose();
    },
  };
}

type Parts = { services: Services; http: FastifyInstance; options: ServerOptions };

async function run(store: Store, { services, http, options }: Parts): Promise<App> {
  const { config, log } = options;
  const { agents, turns, approvals, snapshots, restores, credentials } = services;
  const { egress, gateway, ledger } = services;
  snapshots.recover();
  await agents
    .reconcile()
    .catch((error) => log.error({ err: error }, 'No container could be adopted'));
  await restores.recover();
  await http.listen({ host: config.MCP_HOST, port: config.MCP_PORT });
  // Before any request is read, so that recovered turns stay first in their queues.
  turns.recover();
  void credentials.check();
  const stopReaper = startIdleReaper({ agents, store, snapshots, config, log });
  return {
    url: urlOf(http.server.address(), config.MCP_HOST),
    prepared: services.preparation.run(),
    async close() {
      // Callers are answered at once, even if the reaper is slow to stop.
      const reaped = stopReaper();
      await turns.close({ interrupt: !config.PERSISTENT_MODE });
      approvals.close();
      await http.close();
      await reaped;
      await agents.close({ stopAgents: !config.PERSISTENT_MODE });
      egress.close();
      gateway.close();
      ledger.flush();
    },
  };
}

function openAudit({ config, redactor, log }: ServerOptions): SqliteAuditLog {
  return new SqliteAuditLog({ directory: config.DATA_DIR, redactor, config, log });
}

function createHttp(
  { views, health, rates, toolbox }: Services,
  options: ServerOptions & { authenticator: Authenticator },
): FastifyInstance {
  return buildHttpServer({
    turns: (principal) => views.turns(principal),
    settings: (principal) => views.settings(principal),
    approvals: (principal) => views.approvals(principal),
    files: (principal) => views.files(principal),
    snapshots: (principal) => views.snapshots(principal),
    agents: (principal) => views.agents(principal),
    audit: (principal) => views.audit(principal),
    changes: (principal) => views.changes(principal),
    workspaces: (principal) => views.workspaces(principal),
    ...{ rates, toolbox, health },
    ...options,
  });
}

function authenticatorOf({
  config,
  log,
  audit,
  ...options
}: ServerOptions & { tokens: SqliteTokenStore; audit: AccessAudit }): Authenticator {
  const onLoopback = isLoopback(config.MCP_HOST);
  const tokens = new ApiTokens(options.tokens);
  const authenticator = new Authenticator({ tokens, config, isLoopback: onLoopback, audit, log });
  if (authenticator.isOpen) {
    const who = onLoopback ? 'Every user of this machine' : 'Whoever reaches the port';
    log[onLoopback ? 'info' : 'warn'](`${who} may call: no token is needed`);
  } else if (!authenticator.canLogIn) {
    log.warn('Nobody can call yet: make a token with codex-hangar token create');
  }
  return authenticator;
}

function urlOf(address: AddressInfo | string | null, host: string): string {
  const port = typeof address === 'object' && address ? address.port : 0;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
