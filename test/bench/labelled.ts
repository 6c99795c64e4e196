import type Docker from 'dockerode';

/** Removes all containers and volumes that carry all of these labels, each `name=value`. */
export async function removeLabelled(docker: Docker, ...labels: string[]): Promise<void> {
  const filters = { label: labels };
  const containers = await docker.listContainers({ all: true, filters });
  await Promise.all(
    containers.map(({ Id }) =>
      docker.getContainer(Id).remove({ force: true, v: true }).catch(unlessGone),
    ),
  );
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  await Promise.all(
    (volumes ?? []).map(({ Name }) => docker.getVolume(Name).remove().catch(unlessGone)),
  );
}

function unlessGone(error: { statusCode?: number }): void {
  if (error.statusCode !== 404 && error.statusCode !== 409) throw error;
}
