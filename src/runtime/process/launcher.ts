import type { Logger } from 'pino';
import type { KeyedQueue } from '../../concurrency/keyed-queue.ts';
import type { Config } from '../../config/settings.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import { AgentDirectory, type ContainerRecord, listAgentIds, sha256 } from './agent-directory.ts';
import { agentEnvironment, writeHomeConfig } from './agent-environment.ts';
import { AgentProcesses, type ProcessId } from './agent-processes.ts';
import { chooseGatewayPort, isFree } from './gateway-port.ts';
import { type MainProcess, spawnMain, waitForSocket } from './main-process.ts';

/** Key of the queue for ports; not a valid agent id. */
const PORTS = ':ports';

type LauncherOptions = {
  config: Pick<Config, 'CONTAINER_STARTUP_TIMEOUT'>;
  directory: string;
  log: Logger;
  queue: KeyedQueue<AgentId>;
};

/** Starts and ends the processes of agents. The caller must run in the queue of the agent. */
export class Launcher {
  readonly #options: LauncherOptions;

  constructor(options: LauncherOptions) {
    this.#options = options;
  }

  /** Starts or resumes Codex, and waits until it listens. */
  async start(directory: AgentDirectory, record: ContainerRecord, codex: string): Promise<void> {
    const processes = processesOf(directory);
    const main = await processes.main(record.main);
    if (!main) return await this.#startAnew(directory, record, codex);
    await processes.thaw(main);
    // The server that started it may have died before it listened.
    await this.#waitUntilReady(directory, main);
  }

  /** Kills all processes of an agent, after a grace time if given. */
  async end(
    directory: AgentDirectory,
    record: ContainerRecord | undefined,
    graceSeconds?: number,
  ): Promise<void> {
    const processes = processesOf(directory);
    const main = await processes.main(record?.main);
    if (main && graceSeconds !== undefined) await processes.end(main, graceSeconds * 1000);
    else await processes.killAll(main);
  }

  /** Runs a task, which must store the port, with the former port if that is free. */
  async withPort(
    directory: AgentDirectory,
    wanted: number | undefined,
    task: (port: number) => Promise<void>,
  ): Promise<void> {
    if (wanted !== undefined && (await isFree(wanted))) return await task(wanted);
    await this.#options.queue.add(PORTS, async () => task(await this.#choosePort(directory)));
  }

  async #startAnew(directory: AgentDirectory, old: ContainerRecord, codex: string): Promise<void> {
    await this.end(directory, old);
    await directory.make();
    await directory.resetTemporary();
    await directory.removeSocket();
    await this.withPort(directory, old.gatewayPort, async (gatewayPort) => {
      const record = { ...old, exitCode: undefined, gatewayPort };
      await writeHomeConfig(directory, gatewayPort);
      const main = await spawnMain(directory, codex, agentEnvironment(directory, record));
      try {
        await directory.writeRecord({ ...record, main: main.id });
        await this.#waitUntilReady(directory, main.id);
      } catch (error) {
        await this.end(directory, { ...record, main: main.id });
        throw error;
      }
      void this.#watchExit(directory, main);
    });
  }

  async #waitUntilReady(directory: AgentDirectory, main: ProcessId): Promise<void> {
    const processes = processesOf(directory);
    await waitForSocket(directory, {
      isAlive: async () => (await processes.main(main)) !== undefined,
      seconds: this.#options.config.CONTAINER_STARTUP_TIMEOUT,
    });
  }

  async #choosePort(directory: AgentDirectory): Promise<number> {
    const parent = this.#options.directory;
    const others = (await listAgentIds(parent)).filter((id) => id !== directory.agentId);
    const records = await Promise.all(
      others.map((id) => new AgentDirectory(parent, id).readRecord()),
    );
    const taken = records.map((record) => record?.gatewayPort).filter((port) => port !== undefined);
    return await chooseGatewayPort(sha256(directory.root), new Set(taken));
  }

  /** Stores the exit code, and kills the remaining processes as an engine would. */
  async #watchExit(directory: AgentDirectory, main: MainProcess): Promise<void> {
    const { queue, log } = this.#options;
    try {
      const exitCode = await main.exited;
      await queue.add(directory.agentId, async () => {
        const record = await directory.readRecord();
        if (record?.main?.pid !== main.id.pid || record.main.birth !== main.id.birth) return;
        await processesOf(directory).killAll(undefined);
        await directory.writeRecord({ ...record, exitCode });
      });
    } catch (error) {
      log.warn({ err: error, agentId: directory.agentId }, 'The exit code could not be stored');
    }
  }
}

export function processesOf(directory: AgentDirectory): AgentProcesses {
  return new AgentProcesses(directory.marker.join('='));
}
