import fs from 'node:fs';
import { z } from 'zod';
import { containerNames } from '../docker/container-options.ts';
import { installationFilter } from '../docker/labels.ts';
import { Refusal } from './refusal.ts';

/** The format of the store. */
const idSchema = z.string().regex(/^[0-9a-f][0-9a-f-]{11,35}$/);
const filterSchema = z.strictObject({ label: z.tuple([z.string()]) });

/** The one installation that a guard serves: that of its first request. */
export class Installation {
  readonly #file: string | undefined;
  #id: string | undefined;

  /** @param file keeps the id over restarts of the guard */
  constructor(file?: string) {
    this.#file = file;
    if (file !== undefined && fs.existsSync(file)) {
      this.#id = idSchema.parse(fs.readFileSync(file, 'utf8').trim());
    }
  }

  get id(): string {
    if (this.#id === undefined)
      throw new Refusal(
        'the guard serves no installation yet; a server must first list its containers',
      );
    return this.#id;
  }

  owns(id: string | undefined): boolean {
    return id !== undefined && id === this.#id;
  }

  /** Whether a container name belongs to the installation. */
  names(container: string): boolean {
    return container.startsWith(containerNames(this.id, '').container);
  }

  /** Adopts the first id; throws {@link Refusal} for any other. */
  demand(id: string | undefined): string {
    const { data, success } = idSchema.safeParse(id);
    if (!success) throw new Refusal('it has no installation id');
    this.#id ??= this.#save(data);
    if (this.#id !== data) throw new Refusal('this guard serves another installation');
    return data;
  }

  /** Validates that a filter selects the installation, and returns the filter for the engine. */
  filter(given: string | undefined, more: Record<string, unknown> = {}): string {
    const { label: wanted, rest } = split(given);
    const [, id] = /^codex-mcp\.installation=(.*)$/s.exec(wanted) ?? [];
    const filter = installationFilter(this.demand(id));
    if (wanted !== filter.label[0] || JSON.stringify(rest) !== JSON.stringify(more)) {
      throw new Refusal('the filter is not exactly the label of the installation');
    }
    return JSON.stringify({ ...filter, ...more });
  }

  #save(id: string): string {
    if (this.#file !== undefined) fs.writeFileSync(this.#file, `${id}\n`, { mode: 0o600 });
    return id;
  }
}

function split(given: string | undefined): { label: string; rest: Record<string, unknown> } {
  try {
    const { label, ...rest } = z.looseObject({}).parse(JSON.parse(given ?? ''));
    return { label: filterSchema.parse({ label }).label[0], rest };
  } catch {
    throw new Refusal('its filter does not have exactly one label');
  }
}
