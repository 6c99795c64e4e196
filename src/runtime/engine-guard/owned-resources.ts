import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { LABELS } from '../docker/labels.ts';
import { EngineAnswer, type EngineSocket } from './engine-socket.ts';
import type { Installation } from './installation.ts';
import { Refusal } from './refusal.ts';

/** Ids are never used again, so that what is known of one stays true. */
const KNOWN_IDS = 10_000;

const labels = z.record(z.string(), z.string()).nullish();
const containerSchema = z.looseObject({
  Id: z.string().regex(/^[0-9a-f]{64}$/),
  Name: z.string(),
  Config: z.looseObject({ Labels: labels }),
});
const execSchema = z.looseObject({ ID: z.string(), ContainerID: z.string() });
const volumeSchema = z.looseObject({ Name: z.string(), Labels: labels });

/** What of the engine is the installation's, as the engine itself tells. */
export class OwnThings {
  readonly #engine: EngineSocket;
  readonly #installation: Installation;
  readonly #ids = new LRUCache<string, true>({ max: KNOWN_IDS });

  constructor(engine: EngineSocket, installation: Installation) {
    this.#engine = engine;
    this.#installation = installation;
  }

  /** The full id of a container: its name may be another's a moment later. */
  async container(reference: string): Promise<string> {
    if (this.#ids.get(reference)) return reference;
    const found = containerSchema.parse(await this.#engine.read(`/containers/${reference}/json`));
    this.#demand(found.Config.Labels, `the container ${reference}`);
    this.#ids.set(found.Id, true);
    return found.Id;
  }

  /** What the engine tells of a container; of a foreign one, that its name is taken. */
  async describe(reference: string): Promise<unknown> {
    const found = containerSchema.parse(await this.#engine.read(`/containers/${reference}/json`));
    if (this.#installation.owns(found.Config.Labels?.[LABELS.installation])) return found;
    if (found.Name !== `/${reference}` || !this.#installation.names(reference)) {
      throw new Refusal(`the container ${reference} is not of this installation`);
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

  /** A volume that exists, such as one of another's making over a directory of the machine. */
  async volumeIfAny(name: string): Promise<void> {
    await this.volume(name).catch((error: unknown) => {
      if (!(error instanceof EngineAnswer && error.status === 404)) throw error;
    });
  }

  #demand(found: z.output<typeof labels>, what: string): void {
    if (this.#installation.owns(found?.[LABELS.installation])) return;
    throw new Refusal(`${what} is not of this installation`);
  }
}
