import PQueue from 'p-queue';
import type { Logger } from 'pino';
import { isSilence } from '../codex/connection/heartbeat.ts';
import type { Config } from '../config/config.ts';
import { type AppError, toAppError } from '../errors.ts';
import type { ModelGateway } from '../gateway/model-gateway.ts';
import type { AgentId } from '../identity/agent-id.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import type { AgentRecord } from './agent.ts';
import type { AgentEvents, DormantStatus } from './agent-events.ts';
import type { AgentStore } from './agent-store.ts';
import { AgentLink } from './links/agent-link.ts';
import { ContainerLauncher, type Launched, type Mountable } from './links/container-launcher.ts';
import { ContainerLink } from './links/container-link.ts';
import type { RunningAgent, RunningAgents } from './running-agents.ts';
import type { McpServers } from './threads/mcp-servers.ts';
import type { ThreadStore } from './threads/thread-store.ts';
import type { WarmPool } from './warm-pool/warm-pool.ts';

/** Starts need the CPU: with more at once, all of them would time out. */
const CONCURRENT_STARTS = 8;

interface UnfinishedTurns {
  unfinished(): readonly { agentId: AgentId; sent?: unknown }[];
}

export type WakerOptions = {
  runtime: ContainerRuntime;
  gateway: ModelGateway;
  store: { agents: AgentStore; threads: ThreadStore; turns: UnfinishedTurns };
  pool: WarmPool;
  mcpServers: McpServers;
  directories: Mountable;
  config: Pick<
    Config,
    'CODEX_ANSWER_TIMEOUT' | 'CODEX_MODEL' | 'CONTAINER_STARTUP_TIMEOUT' | 'CONTAINER_STOP_TIMEOUT'
  >;
  version: string;
  log: Logger;
};

/** Starts the containers of agents and connects to them. */
export class AgentWaker {
  readonly #options: WakerOptions & { events: AgentEvents };
  readonly #launcher: ContainerLauncher;
  readonly #runningAgents: RunningAgents;
  readonly #starts = new PQueue({ concurrency: CONCURRENT_STARTS });

  constructor(options: WakerOptions & { events: AgentEvents }, runningAgents: RunningAgents) {
    this.#options = options;
    this.#launcher = new ContainerLauncher(options);
    this.#runningAgents = runningAgents;
  }

  /** Resolves with the link of the awake agent. Concurrent calls share one start. */
  async wake(running: RunningAgent): Promise<AgentLink> {
    if (running.paused && running.link) await this.#resume(running);
    running.link ??= this.#starts.add(() => this.#start(running));
    const opening = running.link;
    const forget = () => {
      if (running.link === opening) running.link = undefined;
    };
    try {
      const link = await opening;
      void link.codex.closed.then(forget);
      return link;
    } catch (error) {
      forget();
      throw error;
    }
  }

  /** Removes the entry of a stopped container; an agent that may run stays, for the reaper. */
  async removeIfStopped(running: RunningAgent): Promise<void> {
    try {
      const container = await this.#options.runtime.inspect(running.agentId);
      if (!container || container.state === 'stopped') this.#remove(running);
    } catch (error) {
      this.#options.log.debug(
        { err: error, agentId: running.agentId },
        'The container could not be inspected',
      );
    }
  }

  /** Emits `agent_failed` for a container that stopped by itself. */
  #remove(running: RunningAgent): void {
    const { agentId, stopped } = running;
    const isExpected = stopped || this.#runningAgents.isLocked(agentId);
    if (!this.#runningAgents.remove(running) || isExpected) return;
    this.#options.events.emit({ type: 'agent_failed', agentId, code: 'container_lost' });
  }

  async #resume(running: RunningAgent): Promise<void> {
    running.resuming ??= this.#unpause(running).finally(() => {
      running.resuming = undefined;
    });
    await running.resuming;
  }

  /** The link survives a pause. If the container is lost, the link is closed for a new start. */
  async #unpause(running: RunningAgent): Promise<void> {
    try {
      await this.#options.runtime.start(running.agentId);
      this.#options.events.emit({ type: 'agent_woken', agentId: running.agentId, from: 'paused' });
    } catch (error) {
      this.#options.log.warn(
        { err: error, agentId: running.agentId },
        'The container could not be resumed',
      );
      const link = await running.link?.catch(() => undefined);
      running.link = undefined;
      running.stopped = true;
      await link?.close();
    }
    running.paused = false;
  }

  /** Opens a link; emits `agent_woken` unless only the link was missing. */
  async #start(running: RunningAgent): Promise<AgentLink> {
    const { store, events } = this.#options;
    const { agentId } = running;
    const from = dormantStatusOf(running, store.agents.get(agentId));
    try {
      const link = await this.#open(running);
      running.stopped = false;
      if (from) events.emit({ type: 'agent_woken', agentId, from });
      return link;
    } catch (error) {
      events.emit({ type: 'agent_failed', agentId, code: toAppError(error).code });
      throw error;
    }
  }

  async #open(running: RunningAgent): Promise<AgentLink> {
    const { agentId } = running;
    const launched = await this.#launcher.run(agentId);
    running.paused = false;
    let silence: AppError | undefined;
    const container =
      launched.link ??
      (await this.#connect(agentId).catch(async (error: unknown) => {
        if (isSilence(error)) silence = toAppError(error);
        launched.notes.push(...(await this.#recover(agentId, launched, error)));
        return this.#connect(agentId);
      }));
    const link = this.#linkTo(agentId, container);
    link.restartedFor = silence;
    link.notes.push(...launched.notes);
    void link.codex.closed.then(async () => {
      await link.close();
      await this.removeIfStopped(running);
    });
    return link;
  }

  /** Restarts a container after a failed connection, or throws the error. Returns notes for the caller. */
  async #recover(agentId: AgentId, { isSame }: Launched, error: unknown): Promise<string[]> {
    if (isSilence(error)) {
      this.#options.log.warn(
        { err: error, agentId },
        'Codex does not answer; restarting its container',
      );
      await this.#launcher.restart(agentId);
      return [error.message];
    }
    // The container was already stopping when it was found running.
    if (isSame && toAppError(error).code === 'container_lost') {
      return (await this.#launcher.run(agentId)).notes;
    }
    throw error;
  }

  #linkTo(agentId: AgentId, container: ContainerLink): AgentLink {
    const { runtime, gateway, store, config, mcpServers, log } = this.#options;
    const { workspace } = runtime.layout(agentId);
    const given = { gateway, store, mcpServers, log, model: config.CODEX_MODEL };
    return new AgentLink(container, { agentId, workspace, ...given });
  }

  async #connect(agentId: AgentId): Promise<ContainerLink> {
    const { runtime, config, version, log } = this.#options;
    const startTimeoutMs = config.CONTAINER_STARTUP_TIMEOUT * 1000;
    const answerTimeoutMs = config.CODEX_ANSWER_TIMEOUT * 1000;
    const options = { runtime, agentId, startTimeoutMs, answerTimeoutMs, version, log };
    const link = await ContainerLink.open(options);
    try {
      if (this.#hasTurnToJoin(agentId) || !(await link.codex.hasRunningTurn())) return link;
    } catch (error) {
      await link.close();
      throw error;
    }
    log.warn({ agentId }, 'Ending an unknown turn of an earlier server');
    await link.close();
    await this.#launcher.restart(agentId);
    return ContainerLink.open(options);
  }

  /** Whether a running turn is known from an earlier server, and will be joined. */
  #hasTurnToJoin(agentId: AgentId): boolean {
    const unfinished = this.#options.store.turns.unfinished();
    return unfinished.some((turn) => turn.agentId === agentId && turn.sent !== undefined);
  }
}

/** Undefined for an awake agent. */
function dormantStatusOf(
  { paused, stopped }: RunningAgent,
  agent: AgentRecord | undefined,
): DormantStatus | undefined {
  if (paused) return 'paused';
  if (!stopped) return undefined;
  if (!agent?.tokenSha256) return 'new';
  return agent.archived ? 'archived' : 'stopped';
}
