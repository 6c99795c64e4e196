import path from 'node:path';
import type { AgentId } from '../../identity/agent-id.ts';
import { AgentDirectory, listAgentIds } from './agent-directory.ts';
import { processesOf } from './launcher.ts';
import { listProcesses, type ProcessInfo, readVariables } from './process-table.ts';

/** The processes of one agent, whose directory may be gone. */
export type RunningAgentProcesses = {
  agentId: AgentId;
  pids: number[];
  killAll(): Promise<void>;
};

/**
 * The processes of all agents under a directory, by the environment variables that each process inherits.
 * Empty where the system is not Linux.
 */
export async function listAgentProcesses(parent: string): Promise<RunningAgentProcesses[]> {
  const known = (await listAgentIds(parent)).map((agentId) => new AgentDirectory(parent, agentId));
  const owners = new Map(known.map((directory) => [directory.marker.join('='), directory]));
  const found = new Map<AgentDirectory, number[]>();
  for (const { pid } of (await listProcesses()).filter(isAlive)) {
    const owner = ownerOf(await readVariables(pid), parent, owners);
    if (owner) found.set(owner, [...(found.get(owner) ?? []), pid]);
  }
  return [...found].map(([directory, pids]) => ({
    agentId: directory.agentId,
    pids,
    killAll: () => processesOf(directory).killAll(undefined),
  }));
}

const isAlive = ({ state, hasMemory }: ProcessInfo) => state !== 'dead' && hasMemory;

/** `HOME` names the directory of an agent even if that is gone. */
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
