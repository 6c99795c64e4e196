import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { LABELS } from '../docker/labels.ts';
import { EngineAnswer, type EngineSocket } from './engine-socket.ts';
import type { Installation } from './installation.ts';
import { Refusal } from './refusal.ts';

/** Ids are never reused, so they can be cached. */
const MAX_CACHED_IDS = 10_000;

const labels = z.record(z.string(), z.string()).nullish();
const containerSchema = z.looseObject({
  Id: z.string().regex(/^[0-9a-f]{64}$/),
  Name: z.string(),
  Config: z.looseObject({ Labels: labels }),
});
const execSchema = z.looseObject({ ID: z.string(), ContainerID: z.string() });
const volumeSchema = z.looseObject({ Name: z.string(), Labels: labels });

/** Resolves containers, execs and volumes of the installation. Throws {@link Refusal} for all others. */
export class OwnedResources {
  readonly #engine: EngineSocket;
  readonly #installation: Installation;
  readonly #ids = new LRUCache<string, true>({ max: MAX_CACHED_IDS });

  constructor(engine: EngineSocket, installation: Installation) {
    this.#engine = engine;
    this.#installation = installation;
  }

  /** Returns the full id of a container, since its name may be reused. */
  async container(reference: string): Promise<string> {
    if (this.#ids.get(reference)) return reference;
    const found = containerSchema.parse(await this.#engine.read(`/containers/${reference}/json`));
    this.#demand(found.Config.Labels, `the container ${reference}`);
    this.#ids.set(found.Id, true);
    return found.Id;
  }

  /** Inspects a container; for a foreign one, the result says only that the name is in use. */
  async describe(reference: string): Promise<unknown> {
    const found = containerSchema.parse(await this.#engine.read(`/containers/${reference}/json`));
    if (this.#installation.owns(found.Config.Labels?.[LABELS.installation])) return found;
    if (found.Name !== `/${reference}` || !this.#installation.names(reference)) {
      throw new Refusal(`the container ${reference} does not belong to this installation`);
    }
    return { Id: found.Id, Name: found.Name, Config: { Labels: {} }, State: {} };
  }

  async exec(id: string): Promise<string> {
    const { ID, ContainerID } = execSchema.parse(await this.#engine.read(`/exec/${id}/json`));
    await this.container(ContainerID);
    return ID;
  }

  async volume(name: string): Promise<string> {
    const { Name, Labels } = volumeSchema.parse(await this.#engine.read(`/volumes/${name}`));
    this.#demand(Labels, `the volume ${name}`);
    return Name;
  }

  /** Allows a missing volume, but not a foreign one, which could be a mount of a directory. */
  async volumeIfAny(name: string): Promise<void> {
    await this.volume(name).catch((error: unknown) => {
      if (!(error instanceof EngineAnswer && error.status === 404)) throw error;
    });
  }

  #demand(found: z.output<typeof labels>, what: string): void {
    if (this.#installation.owns(found?.[LABELS.installation])) return;
    throw new Refusal(`${what} does not belong to this installation`);
  }
}
