import { z } from 'zod';
import type { ContainerStats } from '../container-runtime.ts';
import type { Engine } from './engine.ts';

const NANOSECONDS = 1_000_000;

const cpuSchema = z.looseObject({ cpu_usage: z.looseObject({ total_usage: z.number() }) });

const statsSchema = z.looseObject({
  read: z.string(),
  preread: z.string(),
  cpu_stats: cpuSchema,
  precpu_stats: cpuSchema,
  memory_stats: z.looseObject({
    usage: z.number().default(0),
    limit: z.number().optional(),
    stats: z.record(z.string(), z.number()).default({}),
  }),
  pids_stats: z.looseObject({ current: z.number().default(0) }),
});

/** The engine samples twice, which takes one to two seconds. */
export async function readStats(engine: Engine, containerId: string): Promise<ContainerStats> {
  const answer = await engine.call('measure a container', (call) =>
    engine.docker.getContainer(containerId).stats({ ...call, stream: false }),
  );
  const measured = statsSchema.parse(answer);
  const { usage, limit, stats } = measured.memory_stats;
  // The page cache counts as memory but is reclaimable. The names are those of cgroup v2 and v1.
  const reclaimable = stats.inactive_file ?? stats.total_inactive_file ?? 0;
  return {
    cpuPercent: cpuPercent(measured),
    memoryBytes: Math.max(0, usage - reclaimable),
    ...(limit !== undefined && { memoryLimitBytes: limit }),
    pids: measured.pids_stats.current,
  };
}

function cpuPercent(stats: z.output<typeof statsSchema>): number {
  const { cpu_stats, precpu_stats, read, preread } = stats;
  const used = cpu_stats.cpu_usage.total_usage - precpu_stats.cpu_usage.total_usage;
  const passed = (Date.parse(read) - Date.parse(preread)) * NANOSECONDS;
  return passed > 0 ? Math.max(0, (used / passed) * 100) : 0;
}
