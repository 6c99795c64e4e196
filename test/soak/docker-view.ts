import Docker from 'dockerode';
import { LABELS } from '../../src/runtime/docker/labels.ts';
import { removeLabelled } from '../bench/labelled.ts';
import type { AgentProcess, RuntimeView } from './runtime-view.ts';

/** The containers and volumes that carry the label of an installation. */
export function dockerView(installationId: string): RuntimeView {
  const docker = new Docker();
  const label = `${LABELS.installation}=${installationId}`;
  const filters = { label: [label] };
  return {
    async containers() {
      const found = await docker.listContainers({ all: true, filters });
      return found.map(({ Names, State }) => `${Names[0]} (${State})`);
    },
    async volumes() {
      const { Volumes } = await docker.listVolumes({ filters });
      return (Volumes ?? []).map(({ Name }) => Name);
    },
    async processes() {
      const running = await docker.listContainers({ filters });
      const found = await Promise.all(running.map((container) => processesOf(docker, container)));
      return found.flat();
    },
    async killOne(random) {
      const running = await docker.listContainers({ filters });
      const [victim] = random.shuffled(running);
      if (!victim) return false;
      // It may have ended by itself meanwhile.
      return docker
        .getContainer(victim.Id)
        .kill()
        .then(
          () => true,
          () => false,
        );
    },
    removeAll: () => removeLabelled(docker, label),
  };
}

/** Nothing if it has stopped since it was listed. */
async function processesOf(
  docker: Docker,
  { Id, Names }: Docker.ContainerInfo,
): Promise<AgentProcess[]> {
  try {
    const top = await docker.getContainer(Id).top({ ps_args: '-eo pid,args' });
    return top.Processes.map(([, command = '']: string[]) => ({
      container: Names[0] ?? Id,
      command,
    }));
  } catch {
    return [];
  }
}
