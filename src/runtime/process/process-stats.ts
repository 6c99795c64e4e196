import fs from 'node:fs/promises';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerStats } from '../container-runtime.ts';
import type { ProcessInfo } from './process-table.ts';

const BETWEEN_SAMPLES_MS = 200;
/** Unit of times in /proc, equal on every Linux that Node supports. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = os.arch() === 'ppc64' ? 65_536 : 4096;

type Usage = { ticks: number; pages: number; threads: number };

/** Total usage of some processes; undefined where the system is not Linux. */
export async function readStats(
  members: readonly ProcessInfo[],
): Promise<ContainerStats | undefined> {
  if (process.platform !== 'linux') return undefined;
  const startedAt = performance.now();
  const before = await readAll(members);
  await sleep(BETWEEN_SAMPLES_MS);
  const after = await readAll(members);
  const seconds = (performance.now() - startedAt) / 1000;
  const used = [...after].map(([pid, { ticks }]) => ticks - (before.get(pid)?.ticks ?? ticks));
  const total = (of: (usage: Usage) => number) => sum([...after.values()].map(of));
  return {
    cpuPercent: (sum(used) / TICKS_PER_SECOND / seconds) * 100,
    memoryBytes: total(({ pages }) => pages) * PAGE_BYTES,
    pids: total(({ threads }) => threads),
  };
}

async function readAll(members: readonly ProcessInfo[]): Promise<Map<number, Usage>> {
  const found = await Promise.all(members.map(async ({ pid }) => [pid, await read(pid)] as const));
  return new Map(found.flatMap(([pid, usage]) => (usage ? [[pid, usage] as const] : [])));
}

/** Undefined if the process has exited. */
async function read(pid: number): Promise<Usage | undefined> {
  try {
    const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8');
    // The program name is in parentheses and may contain spaces and parentheses.
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [user = 0, system = 0] = fields.slice(11, 13);
    return { ticks: user + system, pages: fields[21] ?? 0, threads: fields[17] ?? 0 };
  } catch {
    return undefined;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
