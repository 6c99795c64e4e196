import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import type { Config } from '../../src/config/config.ts';
import { chooseRuntime } from '../../src/runtime/choose-runtime.ts';
import { loadConfig } from '../../src/server/load-config.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { startStandInModel } from '../fakes/stand-in-model/stand-in-model.ts';
import { extraAuthorities } from '../setup/engine.ts';
import { DemoServer } from './demo-server.ts';
import type { Narrator } from './narrator.ts';
import { scriptedEngineer } from './scripted-model.ts';
import { StepProgress } from './step-progress.ts';

const STAND_IN_KEY = 'sk-stand-in';
/** The rest of a failed build is of use only to who mends it. */
const REASON_LINES = 6;

type Environment = Record<string, string>;

type StageOptions = {
  narrator: Narrator;
  interruption: AbortController;
  /** Ends what was started, the latest first. */
  cleanup: AsyncDisposableStack;
};

export type Stage = { server: DemoServer; scripted: boolean };

/** Starts all that a first call needs, on a machine where nothing was set up. */
export async function setStage(options: StageOptions): Promise<Stage> {
  const { narrator, cleanup } = options;
  const asked = loadConfig(process.env, '.env');
  const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-demo-'));
  cleanup.defer(() => fs.rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 }));
  const model = await chooseModel(asked, options);
  const base = { ...model.environment, ...serverEnvironment(asked, dataDir) };
  narrator.chapter('Server', 'a real one, on a free port, with data of its own');
  const server = await startReadyServer(asked, base, options);
  return { server, scripted: model.scripted };
}

async function chooseModel(
  config: Config,
  { narrator, cleanup }: StageOptions,
): Promise<{ environment: Environment; scripted: boolean }> {
  if (config.OPENAI_API_KEY !== undefined || config.CODEX_PROVIDER !== 'openai') {
    narrator.say(
      `The model is ${config.CODEX_MODEL} of ${config.CODEX_PROVIDER}. This may take minutes, and uses your account.`,
    );
    return { environment: {}, scripted: false };
  }
  const model = cleanup.use(
    await startStandInModel({ apiKey: STAND_IN_KEY, script: scriptedEngineer }),
  );
  narrator.notice(
    'STAND-IN MODEL: no OPENAI_API_KEY found, answers are scripted. Codex, its commands and its files are real.',
  );
  const environment = { OPENAI_API_KEY: STAND_IN_KEY, OPENAI_BASE_URL: model.url };
  return { environment, scripted: true };
}

function serverEnvironment(config: Config, dataDir: string): Environment {
  const authorities = config.EXTRA_CA_CERTS ?? extraAuthorities();
  return {
    DATA_DIR: dataDir,
    MCP_HOST: '127.0.0.1',
    MCP_PORT: '0',
    LOG_LEVEL: 'info',
    CONTAINER_STOP_TIMEOUT: '2',
    ...(authorities && fs.existsSync(authorities) && { EXTRA_CA_CERTS: authorities }),
  };
}

/** Takes containers if they can be had, else processes, unless the user insists. */
async function startReadyServer(
  asked: Config,
  base: Environment,
  options: StageOptions,
): Promise<DemoServer> {
  const { narrator } = options;
  using steps = new StepProgress(narrator);
  const server = await startServer(base, steps, options);
  const readiness = await server.untilReady();
  if (readiness.ok) {
    await introduce(server, narrator);
    return server;
  }
  if (asked.AGENT_RUNTIME !== 'auto') throw new Error(readiness.reason);
  narrator.notice('Containers cannot be used here:');
  narrator.say(readiness.reason.split('\n').slice(0, REASON_LINES).join('\n'));
  narrator.notice(
    'The demo goes on with AGENT_RUNTIME=process: agents are processes, and only the sandbox of Codex confines them.',
  );
  await server.stop();
  const second = await startServer({ ...base, AGENT_RUNTIME: 'process' }, steps, options);
  const again = await second.untilReady();
  if (!again.ok) throw new Error(again.reason);
  await introduce(second, narrator);
  return second;
}

async function startServer(
  environment: Environment,
  steps: StepProgress,
  { interruption, cleanup }: StageOptions,
): Promise<DemoServer> {
  const config = loadConfig({ ...process.env, ...environment }, '.env');
  cleanup.defer(() => removeAgents(config));
  const server = await DemoServer.start({
    environment: { ...process.env, ...environment },
    interruption,
    onStep: (step) => steps.step(step),
  });
  cleanup.defer(() => server.stop());
  return server;
}

async function introduce(server: DemoServer, narrator: Narrator): Promise<void> {
  const { runtime, problems } = await server.health();
  const kind = runtime.kind === 'docker' ? 'containers' : 'processes';
  narrator.fact('listens at', `${server.url}/sse`);
  narrator.fact('agents run as', `${kind} (${runtime.engine ?? runtime.kind})`);
  if (runtime.kind === 'docker' && runtime.image) narrator.fact('image', runtime.image);
  for (const problem of problems) narrator.notice(problem);
}

/** Containers, volumes and processes of the agents that the server made. It has stopped by now. */
async function removeAgents(config: Config): Promise<void> {
  const store = SqliteStore.open(config.DATA_DIR);
  try {
    const { installationId } = store;
    const log = pino({ level: 'silent' });
    const { runtime } = await chooseRuntime({ config, installationId, log });
    for (const { agentId } of store.agents.list()) await runtime.remove(agentId, { volumes: true });
  } finally {
    store.close();
  }
}
