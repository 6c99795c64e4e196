import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { KeyedQueue } from '../../concurrency/keyed-queue.ts';
import type { Config } from '../../config/settings.ts';
import { AppError } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type {
  ContainerLayout,
  ContainerProcess,
  ContainerRuntime,
  ContainerSpec,
  ContainerState,
  ContainerStats,
  ContainerSummary,
  CopyOptions,
  CopySource,
  EngineInfo,
  ExecOptions,
  Readiness,
  VolumeSummary,
} from '../container-runtime.ts';
import { AgentDirectory, type ContainerRecord, listAgentIds, sha256 } from './agent-directory.ts';
import { AGENT_IMAGE, agentEnvironment } from './agent-environment.ts';
import { findCodex } from './codex-binary.ts';
import { copyFiles } from './copy-files.ts';
import { Launcher, processesOf } from './launcher.ts';
import { tailLog } from './main-log.ts';
import { Preparation } from './preparation.ts';
import { readStats } from './process-stats.ts';
import type { ProcessInfo } from './process-table.ts';
import { spawnChild } from './spawn-child.ts';
import { withDiskErrors } from './system-error.ts';

/** To be raised when the format of the directories changes. */
const FORMAT = 1;

export type ProcessRuntimeOptions = {
  config: Pick<Config, 'CODEX_BIN' | 'CONTAINER_STARTUP_TIMEOUT' | 'SKILLS_DIR'>;
  /** Absolute path of the parent of all agent directories. */
  directory: string;
  log: Logger;
};

/**
 * The fallback without a container engine: a "container" is a directory and its processes. The processes
 * have the rights of the server's user, and no limit of memory, CPU or number; only Codex's own sandbox
 * confines them.
 */
export class ProcessRuntime implements ContainerRuntime {
  readonly kind = 'process';
  readonly confines = false;
  readonly #options: ProcessRuntimeOptions;
  readonly #queue = new KeyedQueue<AgentId>();
  readonly #preparation: Preparation;
  readonly #launcher: Launcher;

  constructor(options: ProcessRuntimeOptions) {
    this.#options = options;
    this.#preparation = new Preparation(options);
    this.#launcher = new Launcher({ ...options, queue: this.#queue });
  }

  async ping(): Promise<EngineInfo> {
    return {
      description: 'processes of this machine',
      cpus: os.availableParallelism(),
      memoryBytes: os.totalmem(),
    };
  }

  async prepare(onProgress: (line: string) => void): Promise<void> {
    await this.#preparation.run(onProgress);
  }

  async readiness(): Promise<Readiness> {
    try {
      return { image: this.#codex(), present: true };
    } catch {
      return { image: this.#options.config.CODEX_BIN ?? '@openai/codex', present: false };
    }
  }

  async create(spec: ContainerSpec): Promise<void> {
    const directory = this.#directory(spec.agentId);
    const codex = this.#codex();
    await this.#queue.add(spec.agentId, async () => {
      const existing = await directory.readRecord();
      if (existing && isDeepStrictEqual(existing.env, { ...spec.env })) return;
      await this.#launcher.end(directory, existing);
      await withDiskErrors(async () => {
        await directory.make(spec.workspacePath);
        await this.#launcher.withPort(directory, existing?.gatewayPort, async (gatewayPort) => {
          const id = randomUUID();
          const { agentId, env } = spec;
          await directory.writeRecord({
            agentId,
            id,
            env: { ...env },
            gatewayPort,
            fingerprint: fingerprint(codex),
          });
        });
      });
    });
  }

  async start(agentId: AgentId): Promise<void> {
    const directory = this.#directory(agentId);
    await this.#queue.add(agentId, async () => {
      const record = await this.#existing(directory);
      await withDiskErrors(() => this.#launcher.start(directory, record, this.#codex()));
    });
  }

  async stop(agentId: AgentId, options: { graceSeconds: number }): Promise<void> {
    const directory = this.#directory(agentId);
    await this.#queue.add(agentId, async () => {
      await this.#launcher.end(directory, await directory.readRecord(), options.graceSeconds);
    });
  }

  async pause(agentId: AgentId): Promise<void> {
    const directory = this.#directory(agentId);
    await this.#queue.add(agentId, async () => {
      const processes = processesOf(directory);
      const main = await processes.main((await directory.readRecord())?.main);
      if (main) await processes.freeze(main);
    });
  }

  async remove(agentId: AgentId, options: { volumes: boolean }): Promise<void> {
    const directory = this.#directory(agentId);
    await this.#queue.add(agentId, async () => {
      await this.#launcher.end(directory, await directory.readRecord());
      await directory.removeContainer();
      if (options.volumes) await directory.removeAll();
    });
  }

  async copyVolumes(
    from: CopySource,
    to: AgentId,
    { signal, onCopied }: CopyOptions,
  ): Promise<void> {
    await this.remove(to, { volumes: true });
    const directory = this.#directory(to);
    await this.#queue.add(to, async () => {
      try {
        await directory.beginCopy();
        await directory.make();
        await copyFiles(this.#directory(from.agentId), directory, signal);
        onCopied();
      } catch (error) {
        await directory.removeAll();
        throw error;
      }
      await directory.endCopy();
    });
  }

  async list(): Promise<ContainerSummary[]> {
    const ids = await listAgentIds(this.#options.directory);
    const found = await Promise.all(ids.map((agentId) => this.inspect(agentId)));
    return found.filter((summary) => summary !== undefined);
  }

  async listVolumes(): Promise<VolumeSummary[]> {
    const ids = await listAgentIds(this.#options.directory);
    const found = await Promise.all(
      ids.map(async (agentId) => ({ agentId, ...(await this.#directory(agentId).volumes()) })),
    );
    return found.flatMap(({ createdAt, ...rest }) => (createdAt ? [{ createdAt, ...rest }] : []));
  }

  async inspect(agentId: AgentId): Promise<ContainerSummary | undefined> {
    const directory = this.#directory(agentId);
    const record = await directory.readRecord();
    if (!record) return (await directory.isCopying()) ? copyOf(agentId) : undefined;
    const state = stateOf(await processesOf(directory).main(record.main));
    return {
      agentId,
      id: record.id,
      state,
      outOfMemory: false,
      ...(state === 'stopped' && record.exitCode !== undefined && { exitCode: record.exitCode }),
      outdated: this.#isOutdated(record),
    };
  }

  async exec(
    agentId: AgentId,
    command: readonly string[],
    options: ExecOptions = {},
  ): Promise<ContainerProcess> {
    const directory = this.#directory(agentId);
    const record = await this.#existing(directory);
    const containerRuns = async () =>
      stateOf(await processesOf(directory).main(record.main)) === 'running';
    if (!(await containerRuns())) throw lost(agentId, 'does not run');
    const child = await spawnChild(command, {
      cwd: path.resolve(directory.workspace, options.cwd ?? '.'),
      env: agentEnvironment(directory, record, options.env),
      containerRuns,
    });
    if (!child) throw lost(agentId, 'was stopped');
    return child;
  }

  layout(agentId: AgentId): ContainerLayout {
    const { workspace, home, socket } = this.#directory(agentId);
    const { SKILLS_DIR: skills } = this.#options.config;
    return {
      workspace,
      home,
      ...(skills !== undefined && { skills }),
      appServerProxy: [this.#codex(), 'app-server', 'proxy', '--sock', socket],
      tunnel: [process.execPath, path.join(AGENT_IMAGE, 'tunnel.mjs')],
    };
  }

  async stats(agentId: AgentId): Promise<ContainerStats | undefined> {
    const directory = this.#directory(agentId);
    const processes = processesOf(directory);
    const main = await processes.main((await directory.readRecord())?.main);
    return main && (await readStats(await processes.members(main)));
  }

  async logs(agentId: AgentId, options: { tail: number }): Promise<string> {
    return await tailLog(this.#directory(agentId).log, options.tail);
  }

  async #existing(directory: AgentDirectory): Promise<ContainerRecord> {
    const record = await directory.readRecord();
    if (!record) throw lost(directory.agentId, 'does not exist');
    return record;
  }

  #isOutdated(record: ContainerRecord): boolean {
    try {
      return record.fingerprint !== fingerprint(this.#codex());
    } catch {
      return false; // Without Codex the container could not be replaced.
    }
  }

  #codex(): string {
    return findCodex(this.#options.config.CODEX_BIN);
  }

  #directory(agentId: AgentId): AgentDirectory {
    return new AgentDirectory(this.#options.directory, agentId);
  }
}

function stateOf(main: ProcessInfo | undefined): ContainerState {
  if (!main) return 'stopped';
  return main.state === 'frozen' ? 'paused' : 'running';
}

function copyOf(agentId: AgentId): ContainerSummary {
  const none = { state: 'stopped', outOfMemory: false } as const;
  return { agentId, id: 'copy', ...none, outdated: true, isCopy: true };
}

/** Changes with the Codex program. */
function fingerprint(codex: string): string {
  return sha256(`${FORMAT} ${codex} ${fs.statSync(codex).size}`).slice(0, 16);
}

function lost(agentId: AgentId, why: string): AppError {
  return new AppError('container_lost', `The container of agent ${agentId} ${why}.`);
}
