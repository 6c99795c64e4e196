import { WarmPoolRuntime } from '../../agents/warm-pool/warm-pool-runtime.ts';
import type {
  ContainerRuntime,
  ContainerSummary,
  VolumeSummary,
} from '../../runtime/container-runtime.ts';
import type { Store } from '../../store/store.ts';

/** What the database and the runtime say of the agents, side by side. */
export type Survey = {
  store: Store;
  /** Knows containers by the names of warmContainers. */
  engine: ContainerRuntime;
  /** Knows them by the names of agents. */
  runtime: ContainerRuntime;
  containers: ReadonlyMap<string, ContainerSummary>;
  volumes: ReadonlyMap<string, VolumeSummary>;
  /** Agents with turns that have not ended. */
  busy: ReadonlySet<string>;
};

export async function survey(store: Store, engine: ContainerRuntime): Promise<Survey> {
  const runtime = new WarmPoolRuntime(engine, store.warmContainers);
  const [containers, volumes] = await Promise.all([runtime.list(), runtime.listVolumes()]);
  return {
    store,
    engine,
    runtime,
    containers: new Map(containers.map((container) => [container.agentId, container])),
    volumes: new Map(volumes.map((volume) => [volume.agentId, volume])),
    busy: new Set(store.turns.unfinished().map(({ agentId }) => agentId)),
  };
}
