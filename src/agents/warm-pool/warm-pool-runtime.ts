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
  RuntimeKind,
  VolumeSummary,
} from '../../runtime/container-runtime.ts';
import type { WarmContainerStore } from './warm-container-store.ts';

/**
 * A runtime that maps agent ids to claimed containers of the warm pool, which keep their own names, since
 * an engine cannot rename volumes or labels. Lists omit unclaimed containers.
 */
export class WarmPoolRuntime implements ContainerRuntime {
  readonly kind: RuntimeKind;
  readonly confines: boolean;
  readonly #inner: ContainerRuntime;
  readonly #warmContainers: WarmContainerStore;

  constructor(inner: ContainerRuntime, warmContainers: WarmContainerStore) {
    this.kind = inner.kind;
    this.confines = inner.confines;
    this.#inner = inner;
    this.#warmContainers = warmContainers;
  }

  ping(signal?: AbortSignal): Promise<EngineInfo> {
    return this.#inner.ping(signal);
  }

  prepare(onProgress: (line: string) => void): Promise<void> {
    return this.#inner.prepare(onProgress);
  }

  readiness(): Promise<Readiness> {
    return this.#inner.readiness();
  }

  create(spec: ContainerSpec): Promise<void> {
    return this.#inner.create({ ...spec, agentId: this.#key(spec.agentId) });
  }

  start(agentId: AgentId): Promise<void> {
    return this.#inner.start(this.#key(agentId));
  }

  stop(agentId: AgentId, options: { graceSeconds: number }): Promise<void> {
    return this.#inner.stop(this.#key(agentId), options);
  }

  pause(agentId: AgentId): Promise<void> {
    return this.#inner.pause(this.#key(agentId));
  }

  async remove(agentId: AgentId, options: { volumes: boolean }): Promise<void> {
    await this.#inner.remove(this.#key(agentId), options);
    const container = this.#warmContainers.of(agentId);
    if (container && options.volumes) this.#warmContainers.remove(container.id);
  }

  copyVolumes(from: CopySource, to: AgentId, options: CopyOptions): Promise<void> {
    const source = { ...from, agentId: this.#key(from.agentId) };
    return this.#inner.copyVolumes(source, this.#key(to), options);
  }

  async list(): Promise<ContainerSummary[]> {
    return this.#shown(await this.#inner.list());
  }

  async listVolumes(): Promise<VolumeSummary[]> {
    return this.#shown(await this.#inner.listVolumes());
  }

  async inspect(agentId: AgentId): Promise<ContainerSummary | undefined> {
    const found = await this.#inner.inspect(this.#key(agentId));
    return found && { ...found, agentId };
  }

  exec(
    agentId: AgentId,
    command: readonly string[],
    options?: ExecOptions,
  ): Promise<ContainerProcess> {
    return this.#inner.exec(this.#key(agentId), command, options);
  }

  layout(agentId: AgentId): ContainerLayout {
    return this.#inner.layout(this.#key(agentId));
  }

  stats(agentId: AgentId): Promise<ContainerStats | undefined> {
    return this.#inner.stats(this.#key(agentId));
  }

  logs(agentId: AgentId, options: { tail: number }): Promise<string> {
    return this.#inner.logs(this.#key(agentId), options);
  }

  #key(agentId: AgentId): string {
    return this.#warmContainers.of(agentId)?.id ?? agentId;
  }

  #shown<T extends { agentId: AgentId }>(found: T[]): T[] {
    const warmContainers = new Map(
      this.#warmContainers.list().map((container) => [container.id, container]),
    );
    return found.flatMap((each) => {
      const container = warmContainers.get(each.agentId);
      if (!container) return [each];
      return container.agentId === undefined ? [] : [{ ...each, agentId: container.agentId }];
    });
  }
}
