import type { Logger } from 'pino';
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
import { Access } from '../callers/access.ts';
import type { Authenticator } from '../callers/authentication/authenticator.ts';
import { Changes } from '../callers/changes/changes.ts';
import { Promotion } from '../callers/changes/promotion.ts';
import { RateLimits } from '../callers/rate-limits.ts';
import type { Config } from '../config/config.ts';
import { Credentials } from '../gateway/credentials/credentials.ts';
import { GitCredentials } from '../gateway/credentials/git-credentials.ts';
import { buildEgress, type EgressOptions } from '../gateway/egress/egress.ts';
import { ModelGateway } from '../gateway/model-gateway.ts';
import { Budgets } from '../gateway/spending/budgets.ts';
import { Ledger } from '../gateway/spending/ledger.ts';
import { Prices } from '../gateway/spending/prices.ts';
import { chooseRuntime } from '../runtime/choose-runtime.ts';
import { RuntimePreparation } from '../runtime/runtime-preparation.ts';
import { BackupFiles } from '../snapshots/snapshot-files.ts';
import { Backups } from '../snapshots/snapshots.ts';
import { UnfinishedRestores } from '../snapshots/unfinished-restores.ts';
import type { Store } from '../store/store.ts';
import { allTools, TOOL_ALIASES, TURN_KINDS } from '../tools/catalog.ts';
import { checkHealth } from '../tools/health/health-check.ts';
import { Toolbox } from '../tools/toolbox.ts';
import { BetweenTurns } from '../turns/admission/exclusive-access.ts';
import { TurnQueues } from '../turns/admission/turn-queues.ts';
import { circumstancesOfAgent, circumstancesOfTurn } from '../turns/audit-context.ts';
import { TurnCommits } from '../turns/files/turn-commits.ts';
import { TurnRunner } from '../turns/turn-runner.ts';
import { TurnService } from '../turns/turn-service.ts';
import { WorkspaceFiles } from '../workspaces/transfers/workspace-files.ts';
import { auditAgents } from './audited/agent-audit.ts';
import { auditApprovals } from './audited/approval-audit.ts';
import { type CircumstancesOf, EgressAudit } from './audited/egress-audit.ts';

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

/** Everything between the transports and the stores, joined layer by layer. Nothing runs yet. */
export async function createServices(options: ServiceOptions) {
  const engine = await createEngine(options);
  const ways = createWays(options, {
    onDenied: (denial) => agents.events.emit({ type: 'egress_denied', ...denial }),
    circumstances: (agentId, at) =>
      circumstancesOfAgent(options.store, turns.current(agentId), { agentId, at }),
  });
  const home = createAgents(options, { ...engine, ...ways });
  const { agents } = home;
  const contents = createWorkspaces(options, { ...engine, ...ways, ...home });
  const work = createTurns(options, { ...engine, ...ways, ...home, ...contents });
  const { turns } = work;
  const below = { ...engine, ...ways, ...home, ...contents, ...work };
  const access = createAccess(options, below);
  const calls = createToolbox(options, { ...below, ...access });
  return { ...below, ...access, ...calls };
}

type Engine = Awaited<ReturnType<typeof createEngine>>;
type Ways = ReturnType<typeof createWays>;
type Home = ReturnType<typeof createAgents>;
type Contents = ReturnType<typeof createWorkspaces>;
type Work = ReturnType<typeof createTurns>;
type Below = Engine & Ways & Home & Contents & Work;

/** What runs containers, and those that it has ready. */
async function createEngine({ store, config, log, version }: ServiceOptions) {
  const { installationId } = store;
  const hasContainers = store.runtimeKind === 'docker' && store.agents.list().length > 0;
  const chosen = await chooseRuntime({ config, installationId, hasContainers, log });
  const { runtime: engine, warning: runtimeWarning } = chosen;
  store.setRuntimeKind(engine.kind);
  const runtime = new WarmPoolRuntime(engine, store.warmContainers);
  const pool = new WarmPool({ runtime: engine, store, config, version, log });
  return { runtime, pool, runtimeWarning, preparation: new RuntimePreparation(runtime, log) };
}

/** Who hears of what agents reach, and on whose behalf they do. */
type EgressRecords = Pick<EgressOptions, 'onDenied'> & { circumstances: CircumstancesOf };

/** What agents reach: the model, what pays for it, and hosts. */
function createWays(
  { store, audit, config, log }: ServiceOptions,
  { onDenied, circumstances }: EgressRecords,
) {
  const credentials = new Credentials(config, log);
  const ledger = new Ledger(store.spending, log);
  const prices = Prices.read(config.PRICES_FILE ?? PRICES_FILE);
  const budgets = new Budgets({ agents: store.agents, ledger, prices, config, log });
  const egressAudit = new EgressAudit(audit, circumstances);
  const egress = buildEgress({
    config,
    store: store.egress,
    onDenied,
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

/** Agents, and what they are given. */
function createAgents(
  { store, audit, config, log, version }: ServiceOptions,
  { runtime, pool, gateway }: Engine & Ways,
) {
  const mcpServers = McpServers.read(config.AGENT_MCP_SERVERS_FILE);
  const directories = new HostDirectories({ store, runtime, config });
  const agents = new AgentManager({
    ...{ runtime, directories, gateway, store, pool, mcpServers, config, version, log },
  });
  auditAgents(agents.events, audit);
  return { agents, directories, mcpServers };
}

/** What goes into the workspaces of agents and out of them. */
function createWorkspaces(
  { store, config, version, log }: ServiceOptions,
  { runtime, egress, agents }: Engine & Ways & Home,
) {
  const { disk } = agents;
  const { DATA_DIR: dataDir, SNAPSHOT_DISK_RESERVE: reserveBytes } = config;
  const files = new WorkspaceFiles(runtime);
  const sources = new Sources({
    ...{ runtime, files, git: egress.git, agents: store.agents, disk, config },
    credentials: new GitCredentials(config),
  });
  const backupFiles = new BackupFiles({ dataDir, reserveBytes });
  const restores = new UnfinishedRestores({ store, agents, files, log });
  const backups = new Backups({ store, files, backupFiles, disk, restores, config, version });
  return { files, sources, backups, restores };
}

/** The work of agents, and what else is done to them between two turns. */
function createTurns(options: ServiceOptions, below: Engine & Ways & Home & Contents) {
  const { store, audit, authenticator, redactor, config, log } = options;
  const { runtime, gateway, credentials, budgets, agents, directories, sources } = below;
  const approvals = new Approvals({ store: store.approvals, authenticator, config, log });
  auditApprovals(approvals, audit, (turnId) => circumstancesOfTurn(store, turnId));
  const commits = new TurnCommits({ store, redactor, config, log });
  const runner = new TurnRunner({ runtime, gateway, agents, commits, config, log });
  const queues = new TurnQueues();
  const forks = new AgentForks({ agents, store, config });
  const turns = new TurnService({
    kinds: TURN_KINDS,
    ...{ agents, runner, queues, forks, store, approvals, sources, directories },
    ...{ credentials, budgets },
    ...{ audit, redactor, config, log },
  });
  agents.keepWhile((agentId) => turns.load(agentId) > 0);
  const betweenTurns = new BetweenTurns({ agents, store, queues, config });
  return { approvals, forks, turns, betweenTurns };
}

/** What callers may do with all that. */
function createAccess({ store, audit, config }: ServiceOptions, below: Below) {
  const { runtime, mcpServers, agents, directories, files, sources, backups } = below;
  const { turns, betweenTurns, forks, approvals } = below;
  const access = new Access({
    ...{ store, agents, turns, betweenTurns, forks, approvals, directories, backups },
    ...{ runtime, mcpServers, audit, config },
    transfers: { files, sources, disk: agents.disk, audit, config },
  });
  const changes = new Changes({ access, audit, config });
  const promotion = new Promotion({ access, agents, store, audit, config });
  return { access, changes, promotion };
}

/** What they call, and how often they may. */
function createToolbox(
  { store, audit, config, version }: ServiceOptions,
  below: Below & ReturnType<typeof createAccess>,
) {
  const { runtime, runtimeWarning, preparation, credentials, egress, agents, turns } = below;
  const { access, changes, promotion } = below;
  const health = () =>
    checkHealth({
      ...{ runtime, runtimeWarning, preparation, agents },
      ...{ store, audit, credentials, config, version },
    });
  const rates = new RateLimits(config);
  const tools = allTools({
    ...{ access, agents, turns, changes, promotion },
    ...{ store, runtime, egress, config, health },
  });
  const toolbox = new Toolbox(tools, {
    ...{ aliases: TOOL_ALIASES, maxCalls: config.MAX_CONCURRENT_CALLS, rates, audit },
  });
  return { health, rates, toolbox };
}
