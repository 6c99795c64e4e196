import { once } from 'node:events';
import { Readable } from 'node:stream';
import type Docker from 'dockerode';
import pTimeout from 'p-timeout';
import { z } from 'zod';
import type { Engine } from './engine.ts';
import { installationFilter } from './labels.ts';

const NANOSECONDS = 1_000_000;
/** An engine sends past events at once; after a change of its clock it would wait for future ones. */
const PAST_MS = 1_000;

const eventSchema = z.looseObject({
  Actor: z.looseObject({ ID: z.string() }),
  timeNano: z.number(),
});

/**
 * Out-of-memory kills in running containers. The engine reports them only as events, of which it keeps
 * the last few hundred, so an old kill may be missing.
 */
export class MemoryKills {
  readonly #engine: Engine;
  readonly #installationId: string;

  constructor(engine: Engine, installationId: string) {
    this.#engine = engine;
    this.#installationId = installationId;
  }

  /** Ids of the containers with a kill since their start. */
  async since(containers: readonly Docker.ContainerInspectInfo[]): Promise<Set<string>> {
    const starts = new Map(
      containers
        .filter(({ State }) => State.Running)
        .map(({ Id, State }) => [Id, Date.parse(State.StartedAt)]),
    );
    if (starts.size === 0) return new Set();
    const killed = (await this.#events(Math.min(...starts.values()))).filter(
      ({ Actor, timeNano }) => timeNano / NANOSECONDS >= (starts.get(Actor.ID) ?? Infinity),
    );
    return new Set(killed.map(({ Actor }) => Actor.ID));
  }

  async #events(start: number): Promise<z.output<typeof eventSchema>[]> {
    const { clockAhead } = await this.#engine.facts();
    const since = Math.floor(start / 1000);
    const lines = await this.#engine.call('list its events', async (call) =>
      readWithin(
        PAST_MS,
        await this.#engine.docker.getEvents({
          ...call,
          since,
          // Without an end in the past, the engine keeps the stream open. Its clock is known to a few
          // milliseconds, and a container may have started just now.
          until: Math.max(since, (Date.now() + clockAhead) / 1000),
          filters: JSON.stringify({ ...installationFilter(this.#installationId), event: ['oom'] }),
        }),
      ),
    );
    return lines
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => eventSchema.parse(JSON.parse(line)));
  }
}

/** Reads a stream to its end or for a time. */
async function readWithin(limitMs: number, source: NodeJS.ReadableStream): Promise<string> {
  const stream = new Readable().wrap(source);
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await pTimeout(once(stream, 'end'), { milliseconds: limitMs, message: false });
  stream.destroy();
  return Buffer.concat(chunks).toString();
}
