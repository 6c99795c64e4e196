import type { Logger } from 'pino';
import { AgentEvents } from '../agents/agent-events.ts';
import { AgentForks } from '../agents/agent-forks.ts';
import { AgentManager } from '../agents/agent-manager.ts';
import { HostDirectories } from '../agents/host/host-directories.ts';
import { Sources } from '../agents/sources/sources.ts';
import { McpServers } from '../agents/threads/mcp-servers.ts';
import { WarmPool } from '../agents/warm-pool/warm-pool.ts';
import { WarmPoolRuntime } from '../agents/warm-pool/warm-pool-runtime.ts';
import { Approvals } from '../approvals/approvals.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Redactor } from '../audit/redaction/redactor.ts';
import type { Authenticator } from '../callers/authentication/authenticator.ts';
import { CallerViews } from '../callers/caller-views.ts';
import { RateLimits } from '../callers/rate-limits.ts';
import { KeyedQueue } from '../concurrency/keyed-queue.ts';
import type { Config } from '../config/config.ts';
import { Credentials } from '../gateway/credentials/credentials.ts';
import { GitCredentials } from '../gateway/credentials/git-credentials.ts';
import { buildEgress } from '../gateway/egress/egress.ts';
import { ModelGateway } from '../gateway/model-gateway.ts';
import { Budgets } from '../gateway/spending/budgets.ts';
import { Ledger } from '../gateway/spending/ledger.ts';
import { Prices } from '../gateway/spending/prices.ts';
import type { AgentId } from '../identity/agent-id.ts';
import { chooseRuntime } from '../runtime/choose-runtime.ts';
import { RuntimePreparation } from '../runtime/runtime-preparation.ts';
import { SnapshotFiles } from '../snapshots/snapshot-files.ts';
import { Snapshots } from '../snapshots/snapshots.ts';
import { UnfinishedRestores } from '../snapshots/unfinished-restores.ts';
import type { Store } from '../store/store.ts';
import { allTools, TOOL_ALIASES, TURN_KINDS } from '../tools/catalog.ts';
import { Toolbox } from '../tools/toolbox.ts';
import { ExclusiveAccess } from '../turns/admission/exclusive-access.ts';
import { TurnApprovals } from '../turns/admission/turn-approvals.ts';
import { auditContextOfAgent, auditContextOfTurn } from '../turns/audit-context.ts';
import { WorkspaceSource } from '../turns/files/workspace-source.ts';
import { Trials } from '../turns/trials/trials.ts';
import { TurnAudit } from '../turns/turn-audit.ts';
import { TurnLifecycle } from '../turns/turn-lifecycle.ts';
import { TurnRegister } from '../turns/turn-register.ts';
import { TurnRunner } from '../turns/turn-runner.ts';
import { TurnService } from '../turns/turn-service.ts';
import { WorkspaceFiles } from '../workspaces/transfers/workspace-files.ts';
import { auditAgents } from './audited/agent-audit.ts';
import { auditApprovals } from './audited/approval-audit.ts';
import { EgressAudit } from './audited/egress-audit.ts';
import { checkHealth } from './health/health-check.ts';

const PRICES_FILE = new URL('../../prices.json', import.meta.url);

type ServiceOptions = {
  store: Store;
  audit: AuditLog;
  authenticator: Authenticator;
  redactor: Redactor;
  config: Config;
  log: Logger;
  version: string;
};

export type Services = Awaited<ReturnType<typeof createServices>>;

/** Creates all services between transports and stores, room by room. Nothing runs yet. */
export async function createServices(options: ServiceOptions) {
  const runtimes = await createRuntime(options);
  const pending = createPending(options);
  const gateways = createGateway(options, pending);
  const homes = createAgents(options, { ...runtimes, ...pending, ...gateways });
  const contents = createWorkspaces(options, { ...runtimes, ...gateways, ...homes });
  const inner = { ...runtimes, ...pending, ...gateways, ...homes, ...contents };
  const work = { ...inner, ...createTurns(options, inner) };
  const views = createViews(options, work);
  const calls = createToolbox(options, { ...work, views });
  return { ...work, views, ...calls };
}

type RuntimeServices = Awaited<ReturnType<typeof createRuntime>>;
type PendingServices = ReturnType<typeof createPending>;
type GatewayServices = ReturnType<typeof createGateway>;
type AgentServices = ReturnType<typeof createAgents>;
type WorkspaceServices = ReturnType<typeof createWorkspaces>;
type InnerServices = RuntimeServices &
  PendingServices &
  GatewayServices &
  AgentServices &
  WorkspaceServices;
type WorkServices = InnerServices & ReturnType<typeof createTurns>;

/** The runtime and the warm pool. */
async function createRuntime({ store, config, log, version }: ServiceOptions) {
  const { installationId } = store;
  const hasContainers = store.runtimeKind === 'docker' && store.agents.list().length > 0;
  const chosen = await chooseRuntime({ config, installationId, hasContainers, log });
  const { runtime: engine, warning: runtimeWarning } = chosen;
  store.setRuntimeKind(engine.kind);
  const runtime = new WarmPoolRuntime(engine, store.warmContainers);
  const pool = new WarmPool({ runtime: engine, store, config, version, log });
  return { runtime, pool, runtimeWarning, preparation: new RuntimePreparation(runtime, log) };
}

/** The turns that wait or run, and the events of agents. */
function createPending({ store, audit, authenticator, config, log }: ServiceOptions) {
  const events = new AgentEvents(log);
  const register = new TurnRegister(store.turns);
  const queues = new KeyedQueue<AgentId>();
  const turnAudit = new TurnAudit(audit);
  const approvals = new Approvals({ store: store.approvals, authenticator, config, log });
  auditApprovals(approvals, audit, (turnId) => auditContextOfTurn(store.turns, turnId));
  const turnApprovals = new TurnApprovals({ approvals, store, config, audit: turnAudit });
  return { events, register, queues, turnAudit, approvals, turnApprovals };
}

/** What agents reach: the model, what pays for it, and hosts. */
function createGateway(
  { store, audit, config, log }: ServiceOptions,
  { events, register }: PendingServices,
) {
  const credentials = new Credentials(config, log);
  const ledger = new Ledger(store.spending, log);
  const prices = Prices.read(config.PRICES_FILE ?? PRICES_FILE);
  const budgets = new Budgets({ agents: store.agents, ledger, prices, config, log });
  const egressAudit = new EgressAudit(audit, (agentId, at) =>
    auditContextOfAgent(store.agents, register.current(agentId), { agentId, at }),
  );
  const egress = buildEgress({
    config,
    store: store.egress,
    onDenied: (denial) => events.emit({ type: 'egress_denied', ...denial }),
    onRecord: (record) => egressAudit.record(record),
    log,
  });
  const gateway = new ModelGateway({
    upstream: credentials,
    payerOf: (agentId) => store.agents.get(agentId)?.owner,
    budget: budgets,
    maxRetries: config.MODEL_MAX_RETRIES,
    maxRetryWaitSeconds: config.MODEL_MAX_RETRY_WAIT,
    ...{ egress: egress.proxy, git: egress.git },
    log,
  });
  return { credentials, ledger, budgets, egress, gateway };
}

function createAgents(
  { store, audit, config, log, version }: ServiceOptions,
  {
    runtime,
    pool,
    events,
    queues,
    turnApprovals,
    gateway,
  }: RuntimeServices & PendingServices & GatewayServices,
) {
  const mcpServers = McpServers.read(config.AGENT_MCP_SERVERS_FILE);
  const directories = new HostDirectories({ store, runtime, config });
  const agents = new AgentManager({
    ...{ runtime, directories, gateway, store, pool, mcpServers, events, config, version, log },
    isAwaited: (agentId) => queues.load(agentId) + turnApprovals.waiting(agentId) > 0,
  });
  auditAgents(events, audit);
  return { agents, directories, mcpServers };
}

/** Files of workspaces, their sources and snapshots. */
function createWorkspaces(
  { store, config, version, log }: ServiceOptions,
  { runtime, egress, agents }: RuntimeServices & GatewayServices & AgentServices,
) {
  const { disk } = agents;
  const { DATA_DIR: dataDir, SNAPSHOT_DISK_RESERVE: reserveBytes } = config;
  const files = new WorkspaceFiles(runtime);
  const sources = new Sources({
    ...{ runtime, files, git: egress.git, agents: store.agents, disk, config },
    credentials: new GitCredentials(config),
  });
  const snapshotFiles = new SnapshotFiles({ dataDir, reserveBytes });
  const restores = new UnfinishedRestores({ store, agents, files, log });
  const snapshots = new Snapshots({ store, files, snapshotFiles, disk, restores, config, version });
  return { files, sources, snapshots, restores };
}

/** The work of agents, and what excludes it. */
function createTurns(options: ServiceOptions, inner: InnerServices) {
  const { store, redactor, config, log } = options;
  const { runtime, gateway, credentials, budgets, agents, directories, sources } = inner;
  const { register, queues, turnAudit: audit, turnApprovals: approvals } = inner;
  const { disk } = agents;
  const source = new WorkspaceSource({ sources, directories });
  const runner = new TurnRunner({
    ...{ runtime, gateway, agents, approvals, source, store, redactor, config, log },
  });
  const forks = new AgentForks({ agents, store, config });
  const trials = new Trials({ agents, store, forks, source });
  const lifecycle = new TurnLifecycle({
    ...{ agents, register, queues, approvals, store, redactor, audit, log },
  });
  const turns = new TurnService({
    kinds: TURN_KINDS,
    ...{ register, lifecycle, runner, trials, queues, approvals },
    ...{ store, disk, credentials, budgets, config, log },
  });
  const exclusive = new ExclusiveAccess({ agents, store, queues, config });
  return { forks, turns, exclusive };
}

/** What callers may do with all that. */
function createViews({ store, audit, config }: ServiceOptions, work: WorkServices): CallerViews {
  return new CallerViews({ ...work, store, audit, config });
}

function createToolbox(
  { store, audit, config, version }: ServiceOptions,
  work: WorkServices & { views: CallerViews },
) {
  const { runtime, runtimeWarning, preparation, credentials, agents, views } = work;
  const health = () =>
    checkHealth({
      ...{ runtime, runtimeWarning, preparation, agents },
      ...{ store, audit, credentials, config, version },
    });
  const rates = new RateLimits(config);
  const toolbox = new Toolbox(allTools(views, health), {
    ...{ aliases: TOOL_ALIASES, maxCalls: config.MAX_CONCURRENT_CALLS, rates },
    audit: (principal) => views.audit(principal),
  });
  return { health, rates, toolbox };
}
