import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { ModelGateway } from '../../gateway/model-gateway.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { type AgentRecord, newAgent } from '../agent.ts';
import type { AgentStore } from '../agent-store.ts';
import type { WarmPool } from '../warm-pool/warm-pool.ts';
import type { ContainerLink } from './container-link.ts';
import { newGatewayToken } from './gateway-token.ts';
import { endStaleConnections } from './stale-connections.ts';

export type Mountable = { assertUsable(directory: string): void };

type LauncherOptions = {
  directories: Mountable;
  runtime: ContainerRuntime;
  gateway: ModelGateway;
  store: { agents: AgentStore };
  pool: WarmPool;
  config: Pick<Config, 'CONTAINER_STOP_TIMEOUT'>;
  log: Logger;
};

const FILES_LOST =
  'The volume of this agent was removed, and its files were lost. The new workspace is empty.';

export type Launched = {
  /** Whether the container was running or paused before. */
  isSame: boolean;
  /** Open connections of the warm pool. */
  link?: ContainerLink | undefined;
  /** Notes for the next caller. */
  notes: string[];
};

/** Creates and starts the containers of agents. */
export class ContainerLauncher {
  readonly #options: LauncherOptions;

  constructor(options: LauncherOptions) {
    this.#options = options;
  }

  /** Starts the container, and creates a missing or outdated one; volumes are kept. */
  async run(agentId: AgentId): Promise<Launched> {
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

  /** Kills all processes of the container and starts it again. */
  async restart(agentId: AgentId): Promise<void> {
    const { runtime, store } = this.#options;
    await runtime.stop(agentId, { graceSeconds: 0 });
    const agent = store.agents.get(agentId);
    if (agent) this.#assertMountable(agent);
    await runtime.start(agentId);
  }

  async #makeRun(agentId: AgentId, link: ContainerLink | undefined): Promise<Launched> {
    const { runtime, gateway, store, log } = this.#options;
    const agent = store.agents.get(agentId);
    const container = await runtime.inspect(agentId);
    if (!agent || !container || container.outdated) {
      // A complete copy has set the token; without it the volumes are incomplete.
      const isIncomplete = container?.isCopy === true && !agent?.tokenSha256;
      if (container) await this.#discard(agentId, { volumes: isIncomplete });
      const notes = (await this.#hasLostFiles(agentId)) ? [FILES_LOST] : [];
      await this.#create(agentId);
      await runtime.start(agentId);
      return { isSame: false, notes };
    }
    // The engine resolves mounts at each start.
    if (container.state === 'stopped') this.#assertMountable(agent);
    gateway.register(agentId, agent.tokenSha256);
    if (container.state !== 'running') await runtime.start(agentId);
    if (container.state !== 'stopped' && !link) await endStaleConnections(runtime, agentId, log);
    return { isSame: container.state !== 'stopped', notes: [] };
  }

  /** Whether the workspace volume of an existing agent is missing. */
  async #hasLostFiles(agentId: AgentId): Promise<boolean> {
    const { runtime, store, log } = this.#options;
    const agent = store.agents.get(agentId);
    if (!agent?.tokenSha256 || agent.workspacePath !== undefined) return false;
    const volumes = await runtime.listVolumes();
    const own = volumes.find((each) => each.agentId === agentId);
    if (own?.holdsWorkspace) return false;
    log.warn({ agentId }, FILES_LOST);
    return true;
  }

  // The row is written first, since the gateway rejects a token without a row.
  async #create(agentId: AgentId): Promise<void> {
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

  async #discard(agentId: AgentId, what: { volumes: boolean }): Promise<void> {
    const { runtime, config, log } = this.#options;
    log.info({ agentId }, 'Replacing an outdated container');
    await runtime.stop(agentId, { graceSeconds: config.CONTAINER_STOP_TIMEOUT });
    await runtime.remove(agentId, what);
  }
}
