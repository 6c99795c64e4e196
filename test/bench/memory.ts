import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { z } from 'zod';
import { agentImage } from './agent-image.ts';
import { type BenchContext, withOwnCleanup } from './bench-context.ts';
import type { Work } from './model-probe.ts';
import { Product } from './product.ts';
import { RawContainers } from './raw-container.ts';
import { residentBytes } from './resident-bytes.ts';
import type { Section } from './section.ts';

const MEBIBYTE = 1024 * 1024;
/** Beside the one that was there before. */
const MORE_AGENTS = 8;
const RAW_CONTAINERS = 3;
const SETTLE_MS = 3_000;
const AGENT = 'container of an idle agent';
const RAW = 'container of a bare app-server';

/** What agents hold that have answered one call and wait for the next. */
export function measureMemory(context: BenchContext, docker: Docker): Promise<Section[]> {
  return withOwnCleanup(context, async (own) => {
    const product = await Product.start('docker', own);
    const image = await agentImage(product, docker);
    const work = own.model.lastWork;
    await sleep(SETTLE_MS);
    const serverBefore = await residentBytes(product.server.pid);
    const raw = await startRaw(own, docker, image, work);
    const plan = await product.connect();
    for (let agent = 1; agent <= MORE_AGENTS; agent += 1) {
      own.interrupted.throwIfAborted();
      await plan(`idle-${agent}`);
    }
    await sleep(SETTLE_MS);
    const agents = (await product.containers(docker)).map(({ id }) => id);
    return [
      ...(await containerSections(docker, agents, raw)),
      ...serverSection(serverBefore, await residentBytes(product.server.pid)),
    ];
  });
}

async function startRaw(
  context: BenchContext,
  docker: Docker,
  image: string,
  work: Work,
): Promise<string[]> {
  const raw = await RawContainers.prepare(context, docker, image);
  const ids: string[] = [];
  while (ids.length < RAW_CONTAINERS) {
    const id = await raw.start('host');
    const server = await raw.connect(id);
    await raw.startThread(server, work);
    await server.turn(work);
    ids.push(id);
  }
  return ids;
}

async function containerSections(
  docker: Docker,
  agents: readonly string[],
  raw: readonly string[],
): Promise<Section[]> {
  const ours = await Promise.all(agents.map((id) => memoryOf(docker, id)));
  const theirs = await Promise.all(raw.map((id) => memoryOf(docker, id)));
  const section = (title: string, figure: keyof Memory): Section => ({
    title,
    unit: 'MiB',
    baseline: RAW,
    rows: [
      { name: AGENT, samples: ours.map((one) => one[figure]) },
      { name: RAW, samples: theirs.map((one) => one[figure]) },
    ],
  });
  return [
    section('Memory of a container, as docker stats counts it', 'used'),
    section('Memory of a container that nothing else could have back', 'anonymous'),
  ];
}

type Memory = { used: number; anonymous: number };

const figures = z.looseObject({
  memory_stats: z.looseObject({
    usage: z.number(),
    stats: z.looseObject({
      // The first of each pair is of cgroup v1, the second of v2.
      total_inactive_file: z.number().optional(),
      inactive_file: z.number().optional(),
      total_rss: z.number().optional(),
      anon: z.number().optional(),
    }),
  }),
});

async function memoryOf(docker: Docker, id: string): Promise<Memory> {
  const answer: unknown = await docker.getContainer(id).stats({ stream: false, 'one-shot': true });
  const { usage, stats } = figures.parse(answer).memory_stats;
  const reclaimable = stats.total_inactive_file ?? stats.inactive_file ?? 0;
  return {
    used: (usage - reclaimable) / MEBIBYTE,
    anonymous: (stats.total_rss ?? stats.anon ?? Number.NaN) / MEBIBYTE,
  };
}

/** Nothing where there is no /proc. */
function serverSection(before: number | undefined, after: number | undefined): Section[] {
  if (before === undefined || after === undefined) return [];
  const baseline = 'with 1 agent';
  const [lessMebibytes, moreMebibytes] = [before / MEBIBYTE, after / MEBIBYTE];
  const perAgent = (moreMebibytes - lessMebibytes) / MORE_AGENTS;
  return [
    {
      title: `Memory of the server: ${perAgent.toFixed(1)} MiB for each agent more`,
      unit: 'MiB',
      baseline,
      rows: [
        { name: baseline, samples: [lessMebibytes] },
        { name: `with ${MORE_AGENTS + 1} agents`, samples: [moreMebibytes] },
      ],
    },
  ];
}
