import path from 'node:path';
import { AgentDirectory, listAgentIds } from './agent-directory.ts';
import { processesOf } from './launcher.ts';
import { listProcesses, type ProcessInfo, readVariables } from './process-table.ts';

/** The processes that run for one agent, whatever is left of its directory. */
export type AgentFamily = {
  agentId: string;
  pids: number[];
  /** Ends all of them. */
  end(): Promise<void>;
};

/**
 * Everything that runs for agents under a directory, found by the variables that each process
 * inherits. Only Linux shows them: elsewhere none.
 */
export async function listAgentFamilies(parent: string): Promise<AgentFamily[]> {
  const known = (await listAgentIds(parent)).map((agentId) => new AgentDirectory(parent, agentId));
  const owners = new Map(known.map((directory) => [directory.marker.join('='), directory]));
  const families = new Map<AgentDirectory, number[]>();
  for (const { pid } of (await listProcesses()).filter(isAlive)) {
    const owner = ownerOf(await readVariables(pid), parent, owners);
    if (owner) families.set(owner, [...(families.get(owner) ?? []), pid]);
  }
  return [...families].map(([directory, pids]) => ({
    agentId: directory.agentId,
    pids,
    end: () => processesOf(directory).killAll(undefined),
  }));
}

const isAlive = ({ state, hasMemory }: ProcessInfo) => state !== 'dead' && hasMemory;

/** The directory of an agent may be gone; its processes still name it as their home. */
function ownerOf(
  variables: readonly string[],
  parent: string,
  owners: Map<string, AgentDirectory>,
): AgentDirectory | undefined {
  const marker = variables.find((variable) => variable.startsWith('CODEX_MCP_AGENT='));
  if (marker === undefined) return undefined;
  if (!owners.has(marker)) {
    const home = variables.find((variable) => variable.startsWith('HOME='))?.slice('HOME='.length);
    const directory = home === undefined ? undefined : directoryOfHome(parent, home);
    if (directory?.marker.join('=') === marker) owners.set(marker, directory);
  }
  return owners.get(marker);
}

function directoryOfHome(parent: string, home: string): AgentDirectory | undefined {
  try {
    return new AgentDirectory(parent, path.basename(path.dirname(home)));
  } catch {
    return undefined;
  }
}
