import type { AgentManager } from '../../agents/agent-manager.ts';
import type { AgentStore } from '../../agents/agent-store.ts';
import type { AuditLog } from '../../audit/audit-log.ts';
import type { Config } from '../../config/config.ts';
import { type AppError, reportError, toAppError } from '../../errors.ts';
import type { Credentials } from '../../gateway/credentials/credentials.ts';
import type { ContainerRuntime, EngineInfo } from '../../runtime/container-runtime.ts';
import type { PreparationState, RuntimePreparation } from '../../runtime/runtime-preparation.ts';
import type { HealthReport } from '../../tools/health-tool.ts';
import { BOUND_THEM, unboundedAgents } from './unenforced-limits.ts';

const PING_TIMEOUT_MS = 3_000;
/** A turn needs more than that for its row and its events. */
const LEAST_FREE_BYTES = 256 * 1024;

type HealthOptions = {
  runtime: ContainerRuntime;
  /** Why agents run without containers, if nobody asked for that. */
  runtimeWarning?: string | undefined;
  preparation: RuntimePreparation;
  agents: AgentManager;
  store: { agents: AgentStore; freeBytes(): number | undefined };
  credentials: Pick<Credentials, 'problem' | 'refusal' | 'report'>;
  audit: AuditLog;
  config: Pick<
    Config,
    | 'AUDIT_REQUIRED'
    | 'CODEX_PROVIDER'
    | 'CODEX_MODEL'
    | 'CODEX_REASONING'
    | 'MAX_CONCURRENT_SESSIONS'
  >;
  version: string;
};

/** Looks whether the main job can be done: engine, image, credentials, disk. Never throws. */
export async function checkHealth(options: HealthOptions): Promise<HealthReport> {
  const { agents, store, config, credentials, audit, version } = options;
  const [engine, image] = await Promise.all([
    pingEngine(options.runtime),
    findImage(options.runtime),
  ]);
  if (engine.ok && !engine.info.problem) options.preparation.retry();
  const blocking = blockingProblems(options, engine, options.preparation.state);
  const unbounded = engine.ok ? unboundedAgents(engine.info) : undefined;
  const warnings = [...warningsOf(options), ...(unbounded ? [`${unbounded} ${BOUND_THEM}`] : [])];
  const { active, busy } = agents.counts();
  return {
    ready: blocking.length === 0,
    status: statusOf(blocking, warnings),
    problems: [...blocking, ...warnings],
    version,
    uptime_seconds: Math.round(process.uptime()),
    timestamp: new Date().toISOString(),
    active_sessions: active,
    busy_sessions: busy,
    known_agents: store.agents.count(),
    max_sessions: config.MAX_CONCURRENT_SESSIONS,
    runtime: {
      kind: options.runtime.kind,
      isolation: options.runtime.confines ? 'container' : 'codex-sandbox',
      engine: engine.ok ? engine.info.description : null,
      image: image ?? null,
      state: options.preparation.state.state,
    },
    credentials: {
      provider: config.CODEX_PROVIDER,
      present: credentials.report.method !== 'none',
      ...credentials.report,
    },
    audit: { waiting: audit.state.waiting, lost: audit.state.lost },
    model: { name: config.CODEX_MODEL, reasoning: config.CODEX_REASONING },
    memory_bytes: process.memoryUsage().rss,
  };
}

type EngineCheck = { ok: true; info: EngineInfo } | { ok: false; error: AppError };

async function pingEngine(runtime: ContainerRuntime): Promise<EngineCheck> {
  try {
    return { ok: true, info: await runtime.ping(AbortSignal.timeout(PING_TIMEOUT_MS)) };
  } catch (error) {
    return { ok: false, error: toAppError(error) };
  }
}

async function findImage(runtime: ContainerRuntime): Promise<string | undefined> {
  try {
    return (await runtime.readiness()).image;
  } catch {
    // The engine's own check tells why.
    return undefined;
  }
}

function warningsOf({ runtimeWarning, credentials, audit, config }: HealthOptions): string[] {
  const { problem, refusal } = credentials;
  const warnings = [
    ...(runtimeWarning ? [runtimeWarning] : []),
    // Only principals with a key of their own are served.
    ...(problem && !refusal ? [sentence(problem)] : []),
  ];
  const { failure, lost } = audit.state;
  if (failure !== undefined && !config.AUDIT_REQUIRED) {
    warnings.push(`The audit can not be written (${failure}); calls go on.`);
  }
  if (lost > 0) warnings.push(`${lost} records of the audit were lost since the server started.`);
  return warnings;
}

function blockingProblems(
  { credentials, store, audit, config }: HealthOptions,
  engine: EngineCheck,
  preparation: PreparationState,
): string[] {
  const problems: string[] = [];
  if (!engine.ok) problems.push(sentence(engine.error));
  else if (engine.info.problem) problems.push(sentence(engine.info.problem));
  else if (preparation.state === 'failed') problems.push(sentence(preparation.error));
  if (credentials.refusal) problems.push(sentence(credentials.refusal));
  if ((store.freeBytes() ?? Infinity) < LEAST_FREE_BYTES) {
    problems.push('The disk of DATA_DIR is full: free space on it.');
  }
  if (config.AUDIT_REQUIRED && audit.state.failure !== undefined) {
    problems.push(`The audit can not be written (${audit.state.failure}), and calls need it.`);
  }
  return problems;
}

function sentence(error: AppError): string {
  const { message, hint } = reportError(error);
  return `${message} ${hint}`;
}

function statusOf(blocking: string[], warnings: string[]): HealthReport['status'] {
  if (blocking.length > 0) return 'unhealthy';
  return warnings.length > 0 ? 'degraded' : 'healthy';
}
