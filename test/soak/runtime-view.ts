import type { RuntimeKind } from '../../src/runtime/container-runtime.ts';
import { dockerView } from './docker-view.ts';
import { processView } from './process-view.ts';
import type { SeededRandom } from './seeded-random.ts';

/** What an installation has on its runtime, seen past the server. */
export type RuntimeView = {
  /** Names of all containers, those of the warm pool included. */
  containers(): Promise<string[]>;
  volumes(): Promise<string[]>;
  /** What runs in the containers. */
  processes(): Promise<AgentProcess[]>;
  /** Kills a random container that runs; answers whether there was one. */
  killOne(random: SeededRandom): Promise<boolean>;
  /** Clears away whatever there is. */
  removeAll(): Promise<void>;
};

export type AgentProcess = { container: string; command: string };

export function viewOf(
  runtime: RuntimeKind,
  installation: { id: string; dataDir: string },
): RuntimeView {
  return runtime === 'docker' ? dockerView(installation.id) : processView(installation.dataDir);
}
