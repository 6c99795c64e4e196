import type Docker from 'dockerode';
import { AppError } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import { containerNames } from './container-options.ts';
import type { Engine } from './engine.ts';
import { engineStatus } from './engine-errors.ts';
import { installationFilter, LABELS } from './labels.ts';

/** Finds the containers of one installation. */
export class ContainerLookup {
  readonly #engine: Engine;
  readonly #installationId: string;

  constructor(engine: Engine, installationId: string) {
    this.#engine = engine;
    this.#installationId = installationId;
  }

  /** Undefined for a container that belongs to another installation. */
  async find(agentId: AgentId): Promise<Docker.ContainerInspectInfo | undefined> {
    const found = await this.inspect(containerNames(this.#installationId, agentId).container);
    return found && this.owns(found) ? found : undefined;
  }

  async existing(agentId: AgentId): Promise<Docker.ContainerInspectInfo> {
    const found = await this.find(agentId);
    if (found) return found;
    throw new AppError('container_lost', `The container of agent ${agentId} does not exist.`);
  }

  async all(): Promise<Docker.ContainerInspectInfo[]> {
    const listed = await this.#engine.call('list containers', (call) =>
      this.#engine.docker.listContainers({
        ...call,
        all: true,
        filters: installationFilter(this.#installationId),
      }),
    );
    const found = await Promise.all(listed.map(({ Id }) => this.inspect(Id)));
    return found.filter((container) => container !== undefined);
  }

  /** A container of any owner, by name or id. */
  async inspect(container: string): Promise<Docker.ContainerInspectInfo | undefined> {
    try {
      return await this.#engine.call('describe a container', (call) =>
        this.#engine.docker.getContainer(container).inspect(call),
      );
    } catch (error) {
      if (engineStatus(error) === 404) return undefined;
      throw error;
    }
  }

  owns({ Config }: Docker.ContainerInspectInfo): boolean {
    return Config.Labels[LABELS.installation] === this.#installationId;
  }
}
