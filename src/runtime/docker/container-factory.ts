import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { AppError } from '../../errors.ts';
import type { ContainerSpec } from '../container-runtime.ts';
import type { AgentImage } from './agent-image.ts';
import type { ContainerLookup } from './container-lookup.ts';
import {
  type ContainerConfig,
  type ContainerShape,
  containerLabels,
  containerNames,
  createOptions,
  specFingerprint,
} from './container-options.ts';
import type { Engine } from './engine.ts';
import { engineStatus } from './engine-errors.ts';

const MAX_ATTEMPTS = 100;
const RETRY_MS = 100;

type Conflict = 'none' | 'same' | 'outdated' | 'foreign';

/** Creates and removes containers; both operations are idempotent. */
export class ContainerFactory {
  readonly #engine: Engine;
  readonly #lookup: ContainerLookup;
  readonly #image: AgentImage;
  readonly #config: ContainerConfig;
  readonly #installationId: string;
  readonly #log: Logger;

  constructor(options: {
    engine: Engine;
    lookup: ContainerLookup;
    image: AgentImage;
    config: ContainerConfig;
    installationId: string;
    log: Logger;
  }) {
    this.#engine = options.engine;
    this.#lookup = options.lookup;
    this.#image = options.image;
    this.#config = options.config;
    this.#installationId = options.installationId;
    this.#log = options.log;
  }

  /** Creates a container unless it exists, and replaces an outdated one. */
  async create(spec: ContainerSpec): Promise<void> {
    const shape = await this.shape();
    const { container } = containerNames(this.#installationId, spec.agentId);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (await this.#tryCreate(spec, shape)) return;
      const conflict = await this.#conflict(container, spec, shape);
      if (conflict === 'same') return;
      if (conflict === 'foreign') {
        throw new AppError(
          'name_taken',
          `A container that does not belong to this server has the name ${container}.`,
        );
      }
      if (conflict === 'outdated') await this.remove(container);
      // The name of a removed container stays reserved for a moment.
      else await sleep(RETRY_MS);
    }
    throw new AppError('name_taken', `The container name ${container} stays in use.`);
  }

  /** Removes a container and waits until its name and volumes are free. */
  async remove(container: string): Promise<void> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      try {
        await this.#engine.call('remove a container', (call) =>
          this.#engine.docker.getContainer(container).remove({ ...call, force: true, v: true }),
        );
        return;
      } catch (error) {
        const status = engineStatus(error);
        if (status === 404) return;
        // The engine is already removing it.
        if (status !== 409) throw error;
      }
      await sleep(RETRY_MS);
    }
    throw new AppError('engine_failed', `The container ${container} cannot be removed.`);
  }

  /** The settings of new containers. Throws `image_missing`. */
  async shape(): Promise<ContainerShape> {
    const shape = await this.#shape();
    if (shape) return shape;
    const image = await this.#image.name();
    throw new AppError('image_missing', `The engine does not have the image ${image}.`);
  }

  /** The fingerprint of up-to-date containers; undefined without the image. */
  async expectedFingerprint(): Promise<string | undefined> {
    const shape = await this.#shape();
    return shape && specFingerprint(shape);
  }

  async #tryCreate(spec: ContainerSpec, shape: ContainerShape): Promise<boolean> {
    // Without `_body` dockerode would also write the body, with the agent's token, into the URL.
    const request = {
      _query: { name: containerNames(this.#installationId, spec.agentId).container },
      _body: createOptions(this.#installationId, spec, shape),
    };
    try {
      const container = await this.#engine.call('create a container', (call) =>
        this.#engine.docker.createContainer({ ...request, ...call }),
      );
      this.#log.debug({ agentId: spec.agentId, containerId: container.id }, 'Created a container');
      return true;
    } catch (error) {
      if (error instanceof AppError && error.code === 'name_taken') return false;
      throw missingDirectory(error, spec) ?? error;
    }
  }

  async #conflict(
    container: string,
    spec: ContainerSpec,
    shape: ContainerShape,
  ): Promise<Conflict> {
    const found = await this.#lookup.inspect(container);
    if (!found) return 'none';
    if (!this.#lookup.owns(found)) return 'foreign';
    const wanted = Object.entries(containerLabels(this.#installationId, spec, shape));
    const { Labels: labels } = found.Config;
    return wanted.every(([label, value]) => labels[label] === value) ? 'same' : 'outdated';
  }

  async #shape(): Promise<ContainerShape | undefined> {
    const [image, imageId, { cpus }] = await Promise.all([
      this.#image.name(),
      this.#image.id(),
      this.#engine.facts(),
    ]);
    return imageId === undefined ? undefined : { config: this.#config, image, imageId, cpus };
  }
}

/** A server in a container may see a directory that the engine's machine does not have. */
function missingDirectory(cause: unknown, { workspacePath }: ContainerSpec): AppError | undefined {
  const isMissing = cause instanceof AppError && cause.code === 'skills_missing';
  if (!isMissing || workspacePath === undefined) return undefined;
  if (!cause.message.endsWith(`: ${workspacePath}`)) return undefined;
  const message = `The engine's machine has no directory ${workspacePath}.`;
  return new AppError('workspace_path_unusable', message, { cause });
}
