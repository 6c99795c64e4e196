import { isClaimable } from '../../agents/warm-pool/warm-pool.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { listAgentProcesses } from '../../runtime/process/list-agent-processes.ts';
import type { Store } from '../../store/store.ts';
import { changedAgents, movedAgents, unknownAgents } from './agent-findings.ts';
import { type Check, counted, ok, problem, warning } from './check.ts';
import { type Finding, finding, repairable } from './finding.ts';
import { type Inventory, takeInventory } from './inventory.ts';

type AgentsCheckOptions = {
  store: Store;
  engine: ContainerRuntime;
  /** Directory of agents of the process runtime. */
  agentsDirectory: string;
  /** A running server may have unfinished slots and turns. */
  serverRuns: boolean;
};

/** A summary of the agents, and all findings. */
export async function checkAgents(
  options: AgentsCheckOptions,
): Promise<{ summary: Check; findings: Finding[] }> {
  const seen = await takeInventory(options.store, options.engine);
  const summary = summarize(seen);
  const processes = await strayProcesses(seen, options.agentsDirectory);
  const turns = options.serverRuns ? [] : unfinishedTurns(seen);
  const moved = movedAgents(seen);
  if (moved) return { summary, findings: [moved, ...processes, ...turns] };
  const warmContainers = options.serverRuns ? [] : await badSlots(seen);
  const agents = [...unknownAgents(seen), ...changedAgents(seen)];
  return { summary, findings: [...agents, ...processes, ...warmContainers, ...turns] };
}

function summarize({ store, containers, volumes, busy }: Inventory): Check {
  const states = [...containers.values()].map(({ state }) => state);
  const shown = (['running', 'paused', 'stopped'] as const)
    .map((state) => `${states.filter((each) => each === state).length} ${state}`)
    .join(', ');
  const agents = counted(store.agents.list().length, 'agent');
  const turns = busy.size > 0 ? `, ${busy.size} at work` : '';
  return ok('Agents', `${agents}${turns}; containers: ${shown}; ${volumes.size} with volumes`);
}

/** Containers of the warm pool that no agent can claim. */
async function badSlots({ store, engine }: Inventory): Promise<Finding[]> {
  const unclaimed = store.warmContainers.list().filter(({ agentId }) => agentId === undefined);
  const judged = await Promise.all(
    unclaimed.map(async (container) => ({
      ...container,
      good: isClaimable(container, await engine.inspect(container.id)),
    })),
  );
  return judged
    .filter(({ good }) => !good)
    .map(({ id }) => {
      const check = warning(
        'Warm pool',
        `"${id}" is incomplete, or was changed by hand`,
        'The next start of the server removes it.',
      );
      return repairable(check, 'remove it', async () => {
        store.warmContainers.setReady(id, false);
        await engine.remove(id, { volumes: true });
        store.warmContainers.remove(id);
      });
    });
}

/** Processes of agents that have no running Codex, or that belong into containers. */
async function strayProcesses({ engine, busy }: Inventory, directory: string): Promise<Finding[]> {
  const running = await listAgentProcesses(directory);
  const judged = await Promise.all(
    running.map(async (processes) => ({
      ...processes,
      stray: engine.kind !== 'process' || !(await isAwake(engine, processes.agentId)),
    })),
  );
  return judged
    .filter(({ stray }) => stray)
    .map(({ agentId, pids, killAll }) => {
      const check = problem(
        'Processes',
        `${counted(pids.length, 'process', 'processes')} of the agent "${agentId}" running outside of any container: ${pids.join(', ')}`,
        'Nothing else ends them.',
      );
      // The next server resumes their turn.
      return busy.has(agentId) ? finding(check) : repairable(check, 'end them', killAll);
    });
}

async function isAwake(engine: ContainerRuntime, agentId: AgentId): Promise<boolean> {
  const container = await engine.inspect(agentId);
  return container !== undefined && container.state !== 'stopped';
}

function unfinishedTurns({ store }: Inventory): Finding[] {
  const turns = store.turns.unfinished();
  if (turns.length === 0) return [];
  const agents = [...new Set(turns.map(({ agentId }) => `"${agentId}"`))].join(', ');
  const message = `${counted(turns.length, 'turn')} of ${agents} did not end`;
  return [finding(warning('Turns', message, 'The next start of the server resumes them.'))];
}
