import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { Config } from '../../config/config.ts';
import { agentsDirectory } from '../../runtime/choose-runtime.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { DataDirError } from '../../store/data-dir-error.ts';
import { DatabaseCopy } from '../../store/sqlite/database-copy.ts';
import { SqliteStore } from '../../store/sqlite/sqlite-store.ts';
import type { Store } from '../../store/store.ts';
import { checkAgents } from './agents-check.ts';
import { type Check, failure, problem, warning } from './check.ts';
import { checkDatabase } from './database-check.ts';
import { checkDataDir } from './disk-check.ts';
import { checkEngine } from './engine-check.ts';
import { type Finding, repaired } from './finding.ts';
import { checkCredentials, checkModel } from './model-check.ts';
import { checkServer } from './server-check.ts';
import { checkSettings } from './settings-check.ts';
import { checkSkills } from './skills-check.ts';

/** A healthy engine answers faster. */
const ENGINE_TIMEOUT_SECONDS = 15;
/** A running server changes agents in less time, so a finding that remains is real. */
const RECHECK_DELAY_MS = 2_000;

export type DiagnosisOptions = {
  environment: Readonly<Record<string, string | undefined>>;
  envFile: string;
  repair: boolean;
};

/** Runs all checks and, with `repair`, the repairs. Yields each check when it is done. */
export async function* diagnose(options: DiagnosisOptions): AsyncGenerator<Check> {
  const { checks, config } = checkSettings(options.environment, options.envFile);
  yield* checks;
  if (!config) return;
  yield await checkDataDir(config.DATA_DIR);
  const database = checkDatabase(config.DATA_DIR);
  yield database.check;
  const server = await checkServer(config);
  yield* server.checks;
  const { runtime, checks: engineChecks } = await checkEngine({
    // A repair may take longer.
    config: options.repair
      ? config
      : { ...config, DOCKER_OPERATION_TIMEOUT: engineTimeout(config) },
    installationId: database.installation?.id ?? 'unknown',
    hasContainers: database.installation?.hasContainers ?? false,
    log: pino({ level: 'silent' }),
  });
  yield* engineChecks;
  yield* checkSkills(config);
  yield checkCredentials(config);
  yield await checkModel(config);
  if (!runtime || !database.installation) return;
  const { repair } = options;
  yield* diagnoseAgents({ config, runtime, serverRuns: server.runs, repair });
}

function engineTimeout({ DOCKER_OPERATION_TIMEOUT }: Config): number {
  return Math.min(DOCKER_OPERATION_TIMEOUT, ENGINE_TIMEOUT_SECONDS);
}

type AgentOptions = {
  config: Config;
  runtime: ContainerRuntime;
  serverRuns: boolean;
  repair: boolean;
};

async function* diagnoseAgents(options: AgentOptions): AsyncGenerator<Check> {
  try {
    if (options.repair && !options.serverRuns) yield* repairAgents(options);
    else yield* inspectAgents(options);
  } catch (error) {
    if (error instanceof DataDirError) yield problem('Agents', error.message, 'Run doctor again.');
    else yield failure('Agents', error);
  }
}

async function* repairAgents(options: AgentOptions): AsyncGenerator<Check> {
  // The open store keeps a server from starting.
  const store = SqliteStore.open(options.config.DATA_DIR);
  try {
    const { summary, findings } = await inspect(store, options);
    yield summary;
    for (const finding of findings) yield await repaired(finding);
  } finally {
    store.close();
  }
}

async function* inspectAgents(options: AgentOptions): AsyncGenerator<Check> {
  const first = await inspectCopy(options);
  if (!first) return;
  yield first.summary;
  const lasting = options.serverRuns ? await recheck(first.findings, options) : first.findings;
  yield* lasting.map(({ check }) => check);
  if (options.repair && lasting.some(({ repair }) => repair)) {
    const message = 'A running server owns the agents: nothing was repaired';
    yield warning('Repair', message, 'Stop the server, and run doctor --repair again.');
  }
}

async function recheck(found: Finding[], options: AgentOptions): Promise<Finding[]> {
  if (found.length === 0) return [];
  await sleep(RECHECK_DELAY_MS);
  const again = (await inspectCopy(options))?.findings ?? [];
  return found.filter(({ key }) => again.some((other) => other.key === key));
}

async function inspectCopy(options: AgentOptions) {
  using copy = DatabaseCopy.take(options.config.DATA_DIR);
  const store = copy?.open();
  if (!store) return undefined;
  try {
    return await inspect(store, options);
  } finally {
    store.close();
  }
}

function inspect(store: Store, { config, runtime: engine, ...options }: AgentOptions) {
  return checkAgents({ ...options, store, engine, agentsDirectory: agentsDirectory(config) });
}
