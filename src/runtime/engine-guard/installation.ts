import fs from 'node:fs';
import { z } from 'zod';
import { containerNames } from '../docker/container-options.ts';
import { installationFilter } from '../docker/labels.ts';
import { Refusal } from './refusal.ts';

/** As the store makes them. */
const idSchema = z.string().regex(/^[0-9a-f][0-9a-f-]{11,35}$/);
const filterSchema = z.strictObject({ label: z.tuple([z.string()]) });

/** The one installation that a guard serves: the first that asks, for ever. */
export class Installation {
  readonly #file: string | undefined;
  #id: string | undefined;

  /** @param file where the id is kept, so that a restarted guard serves the same one. */
  constructor(file?: string) {
    this.#file = file;
    if (file !== undefined && fs.existsSync(file)) {
      this.#id = idSchema.parse(fs.readFileSync(file, 'utf8').trim());
    }
  }

  get id(): string {
    if (this.#id === undefined) throw new Refusal('no server has listed its containers here yet');
    return this.#id;
  }

  owns(id: string | undefined): boolean {
    return id !== undefined && id === this.#id;
  }

  /** Whether a container may only be called so if it is the installation's. */
  names(container: string): boolean {
    return container.startsWith(containerNames(this.id, '').container);
  }

  /** Takes the id of the first server; later ones must have the same. */
  demand(id: string | undefined): string {
    const { data, success } = idSchema.safeParse(id);
    if (!success) throw new Refusal('it does not name an installation');
    this.#id ??= this.#remember(data);
    if (this.#id !== data) throw new Refusal('this guard serves another installation');
    return data;
  }

  /** Holds the filter of a list to the label of the installation; answers how the engine is asked. */
  filter(given: string | undefined, more: Record<string, unknown> = {}): string {
    const { label: wanted, rest } = split(given);
    const [, id] = /^codex-mcp\.installation=(.*)$/s.exec(wanted) ?? [];
    const filter = installationFilter(this.demand(id));
    if (wanted !== filter.label[0] || JSON.stringify(rest) !== JSON.stringify(more)) {
      throw new Refusal('the filter is not the label of the installation alone');
    }
    return JSON.stringify({ ...filter, ...more });
  }

  #remember(id: string): string {
    if (this.#file !== undefined) fs.writeFileSync(this.#file, `${id}\n`, { mode: 0o600 });
    return id;
  }
}

function split(given: string | undefined): { label: string; rest: Record<string, unknown> } {
  try {
    const { label, ...rest } = z.looseObject({}).parse(JSON.parse(given ?? ''));
    return { label: filterSchema.parse({ label }).label[0], rest };
  } catch {
    throw new Refusal('it has no filter with one label');
  }
}
