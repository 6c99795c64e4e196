import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import Docker from 'dockerode';
import { pino } from 'pino';
import { settingsSchema } from '../../src/config/settings.ts';
import type { ContainerProcess } from '../../src/runtime/container-runtime.ts';
import { DockerRuntime } from '../../src/runtime/docker/docker-runtime.ts';
import { LABELS } from '../../src/runtime/docker/labels.ts';
import { extraAuthorities } from '../setup/engine.ts';

/** An installation of its own on the engine, which leaves nothing but the agent image. */
export class DockerInstallation {
  readonly id = randomUUID();
  readonly docker = new Docker();

  /** A server of this installation. */
  runtime(settings: Record<string, unknown> = {}, imageDirectory?: string): DockerRuntime {
    const authorities = extraAuthorities();
    return new DockerRuntime({
      config: settingsSchema.parse({
        DOCKER_HOST: process.env.DOCKER_HOST,
        ...(authorities && { EXTRA_CA_CERTS: authorities }),
        ...settings,
      }),
      installationId: this.id,
      log: pino({ level: 'silent' }),
      ...(imageDirectory && { imageDirectory }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const filters = { label: [`${LABELS.installation}=${this.id}`] };
    for (const { Id } of await this.docker.listContainers({ all: true, filters })) {
      await this.docker.getContainer(Id).remove({ force: true, v: true });
    }
    const { Volumes } = await this.docker.listVolumes({ filters });
    for (const { Name } of Volumes ?? []) await this.docker.getVolume(Name).remove();
  }
}

export type Outcome = { stdout: string; stderr: string; status: number | undefined };

/** Waits for a program and all it writes. */
export async function outcome(child: ContainerProcess): Promise<Outcome> {
  const [stdout, stderr, status] = await Promise.all([
    text(child.stdio),
    text(child.stderr),
    child.exited,
  ]);
  return { stdout, stderr, status };
}
