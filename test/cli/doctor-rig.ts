import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { newAgent } from '../../src/agents/agent.ts';
import type { Check } from '../../src/cli/doctor/check.ts';
import { chooseRuntime } from '../../src/runtime/choose-runtime.ts';
import type { ContainerRuntime, RuntimeKind } from '../../src/runtime/container-runtime.ts';
import { loadConfig } from '../../src/server/load-config.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { REAL_KEY } from '../e2e/test-server.ts';
import { extraAuthorities } from '../setup/engine.ts';
import { nodeEnvironment } from '../setup/node-programs.ts';

const MAIN = path.join(import.meta.dirname, '../../src/main.ts');

export type Diagnosis = { code: number; stdout: string; stderr: string };

/** Runs `codex-hangar doctor` as a user does. */
export function runDoctor(settings: Record<string, string>, ...args: string[]): Promise<Diagnosis> {
  const env = { ...nodeEnvironment(), ...settings };
  return new Promise((resolve) => {
    const command = [MAIN, 'doctor', '--env-file', '/dev/null', ...args];
    execFile(process.execPath, command, { env }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

/** What it reports, for programs. */
export async function diagnose(settings: Record<string, string>, ...args: string[]) {
  const { code, stdout } = await runDoctor(settings, '--json', ...args);
  const { checks, ok } = JSON.parse(stdout) as { checks: Check[]; ok: boolean };
  /** What is not as it should be, in one line each. */
  const complaints = checks.filter(({ verdict }) => verdict !== 'ok').map(shown);
  return { code, ok, checks, complaints };
}

function shown({ verdict, topic, message, repair }: Check): string {
  return [verdict, topic, message, repair?.outcome].filter(Boolean).join(' | ');
}

/** What the servers of an installation would choose. */
export async function runtimeOf(
  settings: Record<string, string>,
  installationId: string,
): Promise<ContainerRuntime> {
  const log = pino({ level: 'silent' });
  return (await chooseRuntime({ config: loadConfig(settings), installationId, log })).runtime;
}

/** An installation whose server has stopped, made by hand. */
export class DoctorRig implements AsyncDisposable {
  readonly settings: Record<string, string>;
  readonly runtime: ContainerRuntime;
  readonly dataDir: string;
  readonly installationId: string;

  private constructor(
    settings: Record<string, string>,
    runtime: ContainerRuntime,
    installation: { dataDir: string; installationId: string },
  ) {
    this.settings = settings;
    this.runtime = runtime;
    this.dataDir = installation.dataDir;
    this.installationId = installation.installationId;
  }

  static async create(kind: RuntimeKind, modelUrl: string): Promise<DoctorRig> {
    const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-doctor-test-'));
    const authorities = extraAuthorities();
    const settings = {
      AGENT_RUNTIME: kind,
      DATA_DIR: dataDir,
      MCP_PORT: '0',
      OPENAI_API_KEY: REAL_KEY,
      OPENAI_BASE_URL: modelUrl,
      ...(process.env.DOCKER_HOST && { DOCKER_HOST: process.env.DOCKER_HOST }),
      ...(authorities && { EXTRA_CA_CERTS: authorities }),
    };
    const store = SqliteStore.open(dataDir);
    const { installationId } = store;
    store.setRuntimeKind(kind);
    store.close();
    const runtime = await runtimeOf(settings, installationId);
    await runtime.prepare(() => undefined);
    return new DoctorRig(settings, runtime, { dataDir, installationId });
  }

  /** Changes what the database says; it is closed again at once. */
  write<T>(change: (store: SqliteStore) => T): T {
    const store = SqliteStore.open(this.dataDir);
    try {
      return change(store);
    } finally {
      store.close();
    }
  }

  /** A container, of nobody. */
  async container(agentId: string): Promise<void> {
    await this.runtime.create({ agentId, env: { CODEX_GATEWAY_TOKEN: 'made by hand' } });
  }

  /** An agent as it is between two calls. */
  async agent(agentId: string): Promise<void> {
    await this.container(agentId);
    this.write(({ agents }) => agents.put({ ...newAgent(agentId), tokenSha256: 'ab' }));
  }

  async names(): Promise<{ containers: string[]; volumes: string[] }> {
    const [containers, volumes] = await Promise.all([
      this.runtime.list(),
      this.runtime.listVolumes(),
    ]);
    return {
      containers: containers.map(({ agentId }) => agentId).sort(),
      volumes: volumes.map(({ agentId }) => agentId).sort(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { containers, volumes } = await this.names();
    for (const agentId of new Set([...containers, ...volumes])) {
      await this.runtime.remove(agentId, { volumes: true });
    }
    fs.rmSync(this.dataDir, { recursive: true, force: true });
  }
}
