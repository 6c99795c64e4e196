import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { ModelGateway } from '../../gateway/model-gateway.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { type AgentRecord, newAgent } from '../agent.ts';
import type { AgentStore } from '../agent-store.ts';
import type { WarmPool } from '../warm-pool/warm-pool.ts';
import type { ContainerLink } from './container-link.ts';
import { newGatewayToken } from './gateway-token.ts';
import { endStaleConnections } from './stale-connections.ts';

/** What tells whether directories of the machine can still be mounted. */
export type Mountable = { assertUsable(directory: string): void };

type LauncherOptions = {
  directories: Mountable;
  runtime: ContainerRuntime;
  gateway: ModelGateway;
  store: { agents: AgentStore };
  /** Containers for agents that never had one. */
  pool: WarmPool;
  config: Pick<Config, 'CONTAINER_STOP_TIMEOUT'>;
  log: Logger;
};

const FILES_LOST = 'The files of this agent were lost with their volume: the workspace began anew.';

export type Launched = {
  /** Whether the container was found running, or paused, with all that ran in it. */
  isSame: boolean;
  /** Connections to it that the pool held ready. */
  link?: ContainerLink | undefined;
  /** What the next caller has to know. */
  notes: string[];
};

/** Brings the container of an agent to run. */
export class ContainerLauncher {
  readonly #options: LauncherOptions;

  constructor(options: LauncherOptions) {
    this.#options = options;
  }

  /** Makes the container anew if there is none or its settings no longer hold; volumes stay. */
  async run(agentId: string): Promise<Launched> {
    const link = this.#options.pool.claim(agentId);
    try {
      const launched = await this.#makeRun(agentId, link);
      if (launched.isSame) return { ...launched, link };
      await link?.close();
      return launched;
    } catch (error) {
      await link?.close();
      throw error;
    }
  }

  /** Ends all that runs in the container and starts it anew. */
  async restart(agentId: string): Promise<void> {
    const { runtime, store } = this.#options;
    await runtime.stop(agentId, { graceSeconds: 0 });
    const agent = store.agents.get(agentId);
    if (agent) this.#assertMountable(agent);
    await runtime.start(agentId);
  }

  async #makeRun(agentId: string, link: ContainerLink | undefined): Promise<Launched> {
    const { runtime, gateway, store, log } = this.#options;
    const agent = store.agents.get(agentId);
    const container = await runtime.inspect(agentId);
    if (!agent || !container || container.outdated) {
      // Who was copied has a token; else it was begun anew where a copy came to no end.
      const isHalf = container?.isCopy === true && !agent?.tokenSha256;
      if (container) await this.#discard(agentId, { volumes: isHalf });
      const notes = (await this.#hasLostFiles(agentId)) ? [FILES_LOST] : [];
      await this.#create(agentId);
      await runtime.start(agentId);
      return { isSame: false, notes };
    }
    // What is mounted is looked for anew at each start.
    if (container.state === 'stopped') this.#assertMountable(agent);
    gateway.register(agentId, agent.tokenSha256);
    if (container.state !== 'running') await runtime.start(agentId);
    if (container.state !== 'stopped' && !link) await endStaleConnections(runtime, agentId, log);
    return { isSame: container.state !== 'stopped', notes: [] };
  }

  /** Whether somebody removed the volume of an agent that had one. */
  async #hasLostFiles(agentId: string): Promise<boolean> {
    const { runtime, store, log } = this.#options;
    const agent = store.agents.get(agentId);
    if (!agent?.tokenSha256 || agent.workspacePath !== undefined) return false;
    const volumes = await runtime.listVolumes();
    const own = volumes.find((each) => each.agentId === agentId);
    if (own?.holdsWorkspace) return false;
    log.warn({ agentId }, FILES_LOST);
    return true;
  }

  // The row is written first: a container that no row knows would have a token that nobody takes.
  async #create(agentId: string): Promise<void> {
    const { runtime, gateway, store, log } = this.#options;
    await runtime.prepare((line) => log.info({ line }, 'Preparing the runtime'));
    const { tokenSha256, env } = newGatewayToken();
    const agent = store.agents.get(agentId) ?? newAgent(agentId);
    const { workspacePath } = agent;
    this.#assertMountable(agent);
    store.agents.put({ ...agent, tokenSha256, archived: false });
    gateway.register(agentId, tokenSha256);
    await runtime.create({ agentId, env, ...(workspacePath !== undefined && { workspacePath }) });
  }

  #assertMountable({ workspacePath }: AgentRecord): void {
    if (workspacePath !== undefined) this.#options.directories.assertUsable(workspacePath);
  }

  async #discard(agentId: string, what: { volumes: boolean }): Promise<void> {
    const { runtime, config, log } = this.#options;
    log.info({ agentId }, 'Replacing the container of the agent: its settings changed');
    await runtime.stop(agentId, { graceSeconds: config.CONTAINER_STOP_TIMEOUT });
    await runtime.remove(agentId, what);
  }
}
