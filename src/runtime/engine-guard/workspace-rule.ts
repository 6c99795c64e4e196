import fs from 'node:fs';
import path from 'node:path';
import PQueue from 'p-queue';
import { z } from 'zod';
import { WORKSPACE_TARGETS } from '../docker/container-options.ts';
import { LABELS } from '../docker/labels.ts';
import { isWithin } from '../path-within.ts';
import type { EngineSocket } from './engine-socket.ts';
import { Refusal } from './refusal.ts';

const TARGETS: readonly string[] = WORKSPACE_TARGETS;

/** A directory of the machine that a container has as a workspace. */
export type WorkspaceMount = { source: string; writable: boolean };

const mountsSchema = z
  .array(
    z.looseObject({
      ...{ Type: z.string(), RW: z.boolean(), Destination: z.string() },
      Source: z.string().default(''),
    }),
  )
  .nullish()
  .transform((mounts) =>
    (mounts ?? [])
      .filter(({ Type, Destination }) => Type === 'bind' && TARGETS.includes(Destination))
      .map(({ Source, RW }) => ({ source: Source, writable: RW })),
  );
const listSchema = z.array(z.looseObject({ Id: z.string(), Mounts: mountsSchema }));
const containerSchema = z.looseObject({ Mounts: mountsSchema });

/** The containers of all installations, those of other servers too. */
const AGENTS = `/containers/json?all=true&filters=${encodeURIComponent(JSON.stringify({ label: [LABELS.installation] }))}`;

/**
 * Which directories of the machine containers may have: the roots of the guard, and what lies below
 * them. An engine follows links whenever it starts a container, as root. So no container may have a
 * directory that another one could put a link in the place of: none of them can write above it.
 */
export class WorkspaceRule {
  readonly #engine: Pick<EngineSocket, 'read'>;
  readonly #roots: readonly string[];
  /** What one of them has is not seen by the next before the engine has answered. */
  readonly #claims = new PQueue({ concurrency: 1 });

  constructor(engine: Pick<EngineSocket, 'read'>, roots: readonly string[]) {
    this.#engine = engine;
    this.#roots = roots;
  }

  /** Throws {@link Refusal} for what is outside of the roots, or is reached through a link now. */
  assertOpen(source: string): void {
    // A root is the operator's, and no agent can write above it.
    if (this.#roots.includes(source)) return;
    const root = this.#roots
      .map(realPath)
      .find((each) => path.resolve(source) === source && isWithin(each, source));
    if (root === undefined) {
      const roots = this.#roots.join(' and ') || 'none';
      throw new Refusal(`${source} is not within the WORKSPACE_ROOTS of the guard: ${roots}`);
    }
    const names = path.relative(root, source).split(path.sep);
    for (const index of names.keys())
      assertDirectory(path.join(root, ...names.slice(0, index + 1)));
  }

  /** Has a container with such a mount made, if it may have it; `make` settles when the engine has answered. */
  async claim(mount: WorkspaceMount, make: () => Promise<void>): Promise<void> {
    await this.#claims.add(async () => {
      this.assertOpen(mount.source);
      await this.#assertApart(mount);
      await make();
    });
  }

  /** Looks again at what a container has, before the engine mounts it anew. */
  async assertStartable(id: string): Promise<void> {
    const { Mounts } = containerSchema.parse(await this.#engine.read(`/containers/${id}/json`));
    for (const mount of Mounts) {
      this.assertOpen(mount.source);
      await this.#assertApart(mount, id);
    }
  }

  async #assertApart({ source, writable }: WorkspaceMount, self?: string): Promise<void> {
    const agents = listSchema.parse(await this.#engine.read(AGENTS));
    const others = agents.filter(({ Id }) => Id !== self).flatMap(({ Mounts }) => Mounts);
    const other = others.find(
      (each) =>
        (each.writable && isAbove(each.source, source)) ||
        (writable && isAbove(source, each.source)),
    );
    if (!other) return;
    throw new Refusal(
      `${source} overlaps with ${other.source}, which the container of another agent has: the one could lead the other's mount elsewhere by a link`,
    );
  }
}

function assertDirectory(directory: string): void {
  let stat: fs.Stats | undefined;
  try {
    stat = fs.lstatSync(directory);
  } catch {}
  if (stat?.isDirectory()) return;
  if (stat)
    throw new Refusal(`${directory} is ${stat.isSymbolicLink() ? 'a link' : 'no directory'}`);
  throw new Refusal(
    `the guard sees no ${directory}: it has to see the roots at the same paths, and may enter them`,
  );
}

function isAbove(outer: string, inner: string): boolean {
  return outer !== inner && isWithin(outer, inner);
}

function realPath(directory: string): string {
  try {
    return fs.realpathSync(directory);
  } catch {
    return directory;
  }
}
