import os from 'node:os';
import type Docker from 'dockerode';

export type Machine = {
  cpu: string;
  cpus: number;
  memoryGibibytes: number;
  system: string;
  node: string;
  engine: string;
  loadAverage: number;
};

export async function describeMachine(docker: Docker | undefined): Promise<Machine> {
  const [cpu] = os.cpus();
  return {
    cpu: cpu?.model.trim() ?? 'unknown',
    cpus: os.availableParallelism(),
    memoryGibibytes: Math.round(os.totalmem() / 1024 ** 3),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    engine: docker ? `Docker ${(await docker.version()).Version}` : 'none',
    loadAverage: os.loadavg()[0] ?? 0,
  };
}

export function formatMachine(machine: Machine): string {
  const { cpu, cpus, memoryGibibytes, system, node, engine, loadAverage } = machine;
  const busy = loadAverage > cpus / 2 ? ' (others use it: expect noise)' : '';
  return `${cpus} x ${cpu}, ${memoryGibibytes} GiB, ${system}, Node ${node}, engine: ${engine}, load ${loadAverage.toFixed(1)}${busy}`;
}
