import { WarmPoolRuntime } from '../../agents/warm-pool/warm-pool-runtime.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type {
  ContainerRuntime,
  ContainerSummary,
  VolumeSummary,
} from '../../runtime/container-runtime.ts';
import type { Store } from '../../store/store.ts';

/** Agents in the database and in the runtime. */
export type Inventory = {
  store: Store;
  /** Names containers by slots. */
  engine: ContainerRuntime;
  /** Names containers by agents. */
  runtime: ContainerRuntime;
  containers: ReadonlyMap<AgentId, ContainerSummary>;
  volumes: ReadonlyMap<AgentId, VolumeSummary>;
  /** Agents with unfinished turns. */
  busy: ReadonlySet<AgentId>;
};

export async function takeInventory(store: Store, engine: ContainerRuntime): Promise<Inventory> {
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
