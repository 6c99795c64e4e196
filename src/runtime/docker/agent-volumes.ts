import { z } from 'zod';
import type { AgentId } from '../../identity/agent-id.ts';
import type { VolumeSummary } from '../container-runtime.ts';
import { containerNames } from './container-options.ts';
import type { Engine } from './engine.ts';
import { engineStatus } from './engine-errors.ts';
import { installationFilter, LABELS } from './labels.ts';

/** @types/dockerode has no `CreatedAt`. */
const volumeSchema = z.looseObject({
  Name: z.string(),
  CreatedAt: z.iso.datetime({ offset: true }),
  Labels: z.record(z.string(), z.string()),
});

/** The volumes of one installation, by their labels. */
export class AgentVolumes {
  readonly #engine: Engine;
  readonly #installationId: string;

  constructor(engine: Engine, installationId: string) {
    this.#engine = engine;
    this.#installationId = installationId;
  }

  async list(): Promise<VolumeSummary[]> {
    const found = new Map<AgentId, VolumeSummary>();
    for (const { name, agentId, createdAt } of await this.#all()) {
      const { workspaceVolume, homeVolume } = containerNames(this.#installationId, agentId);
      const none = { agentId, createdAt, holdsWorkspace: false, holdsHome: false };
      const known = found.get(agentId) ?? none;
      if (createdAt < known.createdAt) known.createdAt = createdAt;
      if (name === workspaceVolume) known.holdsWorkspace = true;
      if (name === homeVolume) known.holdsHome = true;
      found.set(agentId, known);
    }
    return [...found.values()];
  }

  async remove(agentId: AgentId): Promise<void> {
    const { workspaceVolume, homeVolume } = containerNames(this.#installationId, agentId);
    const labelled = (await this.#all()).filter((volume) => volume.agentId === agentId);
    const names = new Set([workspaceVolume, homeVolume, ...labelled.map(({ name }) => name)]);
    await Promise.all([...names].map((name) => this.#removeOne(name)));
  }

  async #all(): Promise<{ name: string; agentId: AgentId; createdAt: Date }[]> {
    const { Volumes } = await this.#engine.call('list volumes', (call) =>
      this.#engine.docker.listVolumes({
        ...call,
        filters: installationFilter(this.#installationId),
      }),
    );
    return (Volumes ?? []).flatMap((volume) => {
      const { Name, CreatedAt, Labels } = volumeSchema.parse(volume);
      const agentId = Labels[LABELS.agent];
      return agentId ? [{ name: Name, agentId, createdAt: dateOf(CreatedAt) }] : [];
    });
  }

  async #removeOne(name: string): Promise<void> {
    try {
      await this.#engine.call('remove a volume', (call) =>
        this.#engine.docker.getVolume(name).remove(call),
      );
    } catch (error) {
      if (engineStatus(error) !== 404) throw error;
    }
  }
}

/** The engine reports the year 1 for a volume that is being removed. */
function dateOf(createdAt: string): Date {
  const date = new Date(createdAt);
  return date.getTime() > 0 ? date : new Date();
}
