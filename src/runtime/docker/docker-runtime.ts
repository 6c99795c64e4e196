import type Docker from 'dockerode';
import type { Logger } from 'pino';
import type { Config } from '../../config/settings.ts';
import { AppError } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type {
  ContainerLayout,
  ContainerProcess,
  ContainerRuntime,
  ContainerSpec,
  ContainerStats,
  ContainerSummary,
  CopyOptions,
  CopySource,
  EngineInfo,
  ExecOptions,
  Readiness,
  VolumeSummary,
} from '../container-runtime.ts';
import { AgentImage, type ImageConfig } from './agent-image.ts';
import { AgentVolumes } from './agent-volumes.ts';
import { ContainerFactory } from './container-factory.ts';
import { ContainerLookup } from './container-lookup.ts';
import { type ContainerConfig, containerNames, DOCKER_LAYOUT } from './container-options.ts';
import { stateOf, summarize } from './container-state.ts';
import { Engine, type EngineDescription } from './engine.ts';
import type { EngineAddress } from './engine-connection.ts';
import { engineStatus } from './engine-errors.ts';
import { execInContainer } from './engine-exec.ts';
import { readStats } from './engine-stats.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { LABELS } from './labels.ts';
import { MemoryKills } from './memory-kills.ts';
import { OpenStreams } from './open-streams.ts';
import { VolumeCopy } from './volume-copy.ts';

type DockerConfig = ContainerConfig &
  ImageConfig &
  EngineAddress &
  Pick<Config, 'DOCKER_OPERATION_TIMEOUT'>;

type DockerRuntimeOptions = {
  config: DockerConfig;
  /** Keeps the containers of several servers on one engine apart. */
  installationId: string;
  log: Logger;
  /** Build context of the image; default: agent-image/ of this package. */
  imageDirectory?: string;
};

/** Runs agents as containers of a Docker engine. */
export class DockerRuntime implements ContainerRuntime {
  readonly kind = 'docker';
  readonly confines = true;
  readonly #engine: Engine;
  readonly #image: AgentImage;
  readonly #lookup: ContainerLookup;
  readonly #factory: ContainerFactory;
  readonly #memoryKills: MemoryKills;
  readonly #volumes: AgentVolumes;
  readonly #copy: VolumeCopy;
  readonly #streams = new OpenStreams();
  readonly #installationId: string;
  readonly #log: Logger;
  readonly #config: DockerConfig;

  constructor({ config, installationId, log, imageDirectory }: DockerRuntimeOptions) {
    this.#installationId = installationId;
    this.#log = log;
    this.#config = config;
    this.#engine = new Engine(config);
    this.#image = new AgentImage({
      engine: this.#engine,
      config,
      ...(imageDirectory && { contextDirectory: imageDirectory }),
    });
    this.#lookup = new ContainerLookup(this.#engine, installationId);
    this.#factory = new ContainerFactory({
      engine: this.#engine,
      lookup: this.#lookup,
      image: this.#image,
      config,
      installationId,
      log,
    });
    this.#volumes = new AgentVolumes(this.#engine, installationId);
    this.#copy = new VolumeCopy({ engine: this.#engine, factory: this.#factory, installationId });
    this.#memoryKills = new MemoryKills(this.#engine, installationId);
  }

  async ping(signal?: AbortSignal): Promise<EngineInfo> {
    const info = await this.#engine.info(signal);
    const problem = this.#runtimeProblem(Object.keys(info.Runtimes));
    const unbounded = unboundedBy(info);
    return {
      ...(problem && { problem }),
      ...(unbounded.length > 0 && { unbounded }),
      description: `Docker ${info.ServerVersion}`,
      cpus: info.NCPU,
      memoryBytes: info.MemTotal,
      ...(info.CgroupVersion && { cgroupVersion: info.CgroupVersion }),
      ...(info.DockerRootDir && { dataDirectory: info.DockerRootDir }),
    };
  }

  async prepare(onProgress: (line: string) => void): Promise<void> {
    if (this.#config.CONTAINER_RUNTIME !== undefined) {
      const { problem } = await this.ping();
      if (problem) throw problem;
    }
    await this.#image.ensure(onProgress);
  }

  async readiness(): Promise<Readiness> {
    const [image, found] = await Promise.all([this.#image.name(), this.#image.inspect()]);
    const codexVersion = found?.Config.Labels?.[LABELS.codexVersion];
    return { image, present: found !== undefined, ...(codexVersion && { codexVersion }) };
  }

  create(spec: ContainerSpec): Promise<void> {
    return this.#factory.create(spec);
  }

  async start(agentId: AgentId): Promise<void> {
    const found = await this.#lookup.existing(agentId);
    const state = stateOf(found);
    if (state === 'running') return;
    const container = this.#engine.docker.getContainer(found.Id);
    await this.#engine
      .call('start a container', (call) =>
        state === 'paused' ? container.unpause(call) : container.start(call),
      )
      .catch(async (error: unknown) => {
        // Another call may have started it.
        const now = await this.#lookup.find(agentId);
        if (!now || stateOf(now) !== 'running') throw error;
      });
    this.#log.debug({ agentId, containerId: found.Id }, 'Started a container');
  }

  async stop(agentId: AgentId, { graceSeconds }: { graceSeconds: number }): Promise<void> {
    const found = await this.#lookup.find(agentId);
    if (!found?.State.Running) return;
    const container = this.#engine.docker.getContainer(found.Id);
    // A frozen process does not handle the signal.
    if (found.State.Paused) {
      await this.#engine.call('resume a container', (call) => container.unpause(call));
    }
    await this.#streams
      .whileStopping(agentId, () =>
        this.#engine.call(
          'stop a container',
          (call) => container.stop({ ...call, t: graceSeconds }),
          { extraSeconds: graceSeconds },
        ),
      )
      .catch(ignoring(304, 404));
    this.#log.debug({ agentId, containerId: found.Id }, 'Stopped a container');
  }

  async pause(agentId: AgentId): Promise<void> {
    const found = await this.#lookup.existing(agentId);
    if (found.State.Paused) return;
    await this.#engine.call('pause a container', (call) =>
      this.#engine.docker.getContainer(found.Id).pause(call),
    );
  }

  async remove(agentId: AgentId, { volumes }: { volumes: boolean }): Promise<void> {
    const found = await this.#lookup.find(agentId);
    this.#streams.close(agentId);
    if (found) await this.#factory.remove(found.Id);
    if (!volumes) return;
    await this.#volumes.remove(agentId);
    this.#log.debug({ agentId }, 'Removed a container and its volumes');
  }

  async copyVolumes(
    from: CopySource,
    to: AgentId,
    { signal, onCopied }: CopyOptions,
  ): Promise<void> {
    await this.remove(to, { volumes: true });
    let copied = false;
    const markCopied = () => {
      onCopied();
      copied = true;
    };
    try {
      await this.#copy.run(from, to, { signal, onCopied: markCopied });
    } catch (error) {
      // The copying container is left; the first start of the agent replaces it.
      if (copied)
        return this.#log.warn(
          { err: error, agentId: to },
          'A copying container could not be removed',
        );
      await this.remove(to, { volumes: true }).catch((failure) =>
        this.#log.warn({ err: failure, agentId: to }, 'An incomplete copy could not be removed'),
      );
      throw error;
    }
  }

  async list(): Promise<ContainerSummary[]> {
    return this.#summarize(await this.#lookup.all());
  }

  listVolumes(): Promise<VolumeSummary[]> {
    return this.#volumes.list();
  }

  async inspect(agentId: AgentId): Promise<ContainerSummary | undefined> {
    const found = await this.#lookup.find(agentId);
    return found && (await this.#summarize([found]))[0];
  }

  async exec(
    agentId: AgentId,
    command: readonly string[],
    options?: ExecOptions,
  ): Promise<ContainerProcess> {
    const { container } = this.#names(agentId);
    const child = await execInContainer(this.#engine, container, command, options);
    this.#streams.add(agentId, child.stdio);
    return child;
  }

  layout(_agentId: AgentId): ContainerLayout {
    return DOCKER_LAYOUT;
  }

  async stats(agentId: AgentId): Promise<ContainerStats | undefined> {
    const found = await this.#lookup.find(agentId);
    if (!found || stateOf(found) === 'stopped') return undefined;
    return readStats(this.#engine, found.Id);
  }

  async logs(agentId: AgentId, { tail }: { tail: number }): Promise<string> {
    const found = await this.#lookup.existing(agentId);
    const output = await this.#engine.call('read the log of a container', (call) =>
      this.#engine.docker
        .getContainer(found.Id)
        .logs({ ...call, stdout: true, stderr: true, tail, follow: false }),
    );
    const frames = [...new FrameSplitter().split(output)];
    return Buffer.concat(frames.map(({ bytes }) => bytes)).toString();
  }

  async #summarize(found: Docker.ContainerInspectInfo[]): Promise<ContainerSummary[]> {
    const [specFingerprint, killed] = await Promise.all([
      this.#factory.expectedFingerprint(),
      this.#memoryKills.since(found),
    ]);
    return found.map((container) =>
      summarize(container, { specFingerprint, outOfMemory: killed.has(container.Id) }),
    );
  }

  #runtimeProblem(runtimes: string[]): AppError | undefined {
    const { CONTAINER_RUNTIME: wanted } = this.#config;
    if (wanted === undefined || runtimes.includes(wanted)) return undefined;
    const message = `The Docker engine has no runtime "${wanted}" (CONTAINER_RUNTIME); its runtimes are ${runtimes.join(', ')}.`;
    return new AppError('runtime_missing', message);
  }

  #names(agentId: AgentId) {
    return containerNames(this.#installationId, agentId);
  }
}

/** Handles errors with some statuses as success. */
function ignoring(...statuses: number[]): (error: unknown) => undefined {
  return (error) => {
    if (!statuses.includes(engineStatus(error) ?? 0)) throw error;
  };
}

/** An engine accepts limits that its cgroups do not support, and starts containers without them. */
function unboundedBy({ MemoryLimit, CpuCfsQuota, PidsLimit }: EngineDescription): string[] {
  return [
    ...(MemoryLimit ? [] : ['memory']),
    ...(CpuCfsQuota ? [] : ['CPU']),
    ...(PidsLimit ? [] : ['processes']),
  ];
}
