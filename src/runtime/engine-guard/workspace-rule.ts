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

/** A directory of the machine that is mounted as a workspace. */
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

/** The containers of all installations. */
const AGENTS = `/containers/json?all=true&filters=${encodeURIComponent(JSON.stringify({ label: [LABELS.installation] }))}`;

/**
 * Allows mounts of the guard's roots and of directories below them. The engine follows links as root at
 * each start of a container. Therefore no container may write to a parent of a directory that another
 * container mounts: it could replace the directory by a link.
 */
export class WorkspaceRule {
  readonly #engine: Pick<EngineSocket, 'read'>;
  readonly #roots: readonly string[];
  /** Serial, since the engine lists a container only after it has created it. */
  readonly #claims = new PQueue({ concurrency: 1 });

  constructor(engine: Pick<EngineSocket, 'read'>, roots: readonly string[]) {
    this.#engine = engine;
    this.#roots = roots;
  }

  /** Throws {@link Refusal} for a path outside of the roots or through a link. */
  assertOpen(source: string): void {
    // No agent can write to the parent of a root.
    if (this.#roots.includes(source)) return;
    const root = this.#roots
      .map(realPath)
      .find((each) => path.resolve(source) === source && isWithin(each, source));
    if (root === undefined) {
      const roots = this.#roots.join(' and ') || 'none';
      throw new Refusal(`${source} is outside of the guard's WORKSPACE_ROOTS: ${roots}`);
    }
    const names = path.relative(root, source).split(path.sep);
    for (const index of names.keys())
      assertDirectory(path.join(root, ...names.slice(0, index + 1)));
  }

  /** Runs `create` if the mount is allowed; `create` must settle after the response of the engine. */
  async claim(mount: WorkspaceMount, create: () => Promise<void>): Promise<void> {
    await this.#claims.add(async () => {
      this.assertOpen(mount.source);
      await this.#assertApart(mount);
      await create();
    });
  }

  /** Checks the mounts of a container again before its start. */
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
      `${source} overlaps with ${other.source}, which another container mounts: one agent could redirect the mount of the other by a link`,
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
    throw new Refusal(`${directory} is ${stat.isSymbolicLink() ? 'a link' : 'not a directory'}`);
  throw new Refusal(
    `the guard cannot read ${directory}: it must have the roots at the same paths, with the right to enter them`,
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
