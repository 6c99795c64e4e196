import fs from 'node:fs/promises';
import path from 'node:path';
import { AgentDirectory, listAgentIds } from '../../src/runtime/process/agent-directory.ts';
import type { AgentProcess, RuntimeView } from './runtime-view.ts';

const MAIN = /app-server --listen/;

type Found = AgentProcess & { pid: number };

/** The directories below a data directory, and the processes that carry the variable of one. */
export function processView(dataDir: string): RuntimeView {
  const parent = path.resolve(dataDir, 'agents');
  // A process may outlive its directory, and then still carries its name.
  const known = new Set<string>();
  const directories = async () => {
    for (const id of await listAgentIds(parent)) known.add(id);
    return [...known].map((id) => new AgentDirectory(parent, id));
  };
  const present = async () =>
    (await listAgentIds(parent)).map((id) => new AgentDirectory(parent, id));
  const running = async () => markedProcesses(await directories());
  return {
    async containers() {
      const found = await Promise.all((await present()).map(describe));
      return found.filter((each) => each !== undefined);
    },
    async volumes() {
      return (await present()).map(({ root }) => root);
    },
    processes: running,
    async killOne(random) {
      const mains = (await running()).filter(({ command }) => MAIN.test(command));
      const [victim] = random.shuffled(mains);
      return victim !== undefined && killed(victim);
    },
    async removeAll() {
      for (const each of await running()) killed(each);
    },
  };
}

async function describe(directory: AgentDirectory): Promise<string | undefined> {
  return (await directory.readRecord()) && directory.agentId;
}

/** False if it has ended by itself. */
function killed({ pid }: Found): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

async function markedProcesses(directories: readonly AgentDirectory[]): Promise<Found[]> {
  const agents = new Map(directories.map(({ marker, agentId }) => [marker.join('='), agentId]));
  const pids = (await fs.readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => describeProcess(pid, agents)));
  return found.filter((each) => each !== undefined);
}

/** Nothing for processes of others, and those that have ended. */
async function describeProcess(
  pid: string,
  agents: ReadonlyMap<string, string>,
): Promise<Found | undefined> {
  try {
    const [environment, commandLine] = await Promise.all(
      ['environ', 'cmdline'].map((file) => fs.readFile(`/proc/${pid}/${file}`, 'utf8')),
    );
    const container = environment
      ?.split('\0')
      .map((variable) => agents.get(variable))
      .find((agentId) => agentId !== undefined);
    if (container === undefined) return undefined;
    return {
      container,
      command: commandLine?.replaceAll('\0', ' ').trim() ?? '',
      pid: Number(pid),
    };
  } catch {
    return undefined;
  }
}
