import type { AgentRecord } from '../../agents/agent.ts';
import { AppError } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { counted, problem, warning } from './check.ts';
import { type Finding, finding, repairable } from './finding.ts';
import type { Inventory } from './inventory.ts';

/** Containers and volumes of this installation without an agent in the database. */
export function unknownAgents(inventory: Inventory): Finding[] {
  const { store, containers, volumes } = inventory;
  const ids = [...new Set([...containers.keys(), ...volumes.keys()])];
  return ids
    .filter((agentId) => !store.agents.get(agentId))
    .map((agentId) => unknownAgent(agentId, inventory));
}

function unknownAgent(agentId: AgentId, { runtime, containers, volumes }: Inventory): Finding {
  const container = containers.get(agentId);
  const made = volumes.get(agentId)?.createdAt.toISOString().slice(0, 10);
  const things = [container && `a container (${container.state})`, made && `volumes of ${made}`];
  const message = `The database has no agent "${agentId}", which has ${things.filter(Boolean).join(' and ')}`;
  const check = container
    ? problem('Agents', message, 'The next start of the server removes the container.')
    : warning('Agents', message, 'The server removes them after ORPHAN_TIMEOUT.');
  const parts = [container && 'container', made && 'volumes'].filter(Boolean).join(' and ');
  return repairable(check, `remove its ${parts}`, () => removeAll(agentId, runtime));
}

async function removeAll(agentId: AgentId, runtime: ContainerRuntime): Promise<void> {
  await runtime.remove(agentId, { volumes: true });
  // A container that was renamed by hand is found by its label only.
  if ((await runtime.list()).some((container) => container.agentId === agentId)) {
    throw new AppError('engine_failed', 'its container was renamed: remove it by hand');
  }
}

/** Agents do not move to another runtime, where they have no files or containers. */
export function movedAgents({ store, engine }: Inventory): Finding | undefined {
  const agents = store.agents.list().filter(({ tokenSha256 }) => tokenSha256 !== '');
  const { runtimeKind = engine.kind } = store;
  if (agents.length === 0 || runtimeKind === engine.kind) return undefined;
  const message = `The runtime changed from ${runtimeKind} to ${engine.kind}: ${counted(agents.length, 'agent')} would start empty`;
  const advice = `Set AGENT_RUNTIME=${runtimeKind} to keep their files and conversations.`;
  return finding(problem('Agents', message, advice));
}

/** Agents whose files or container differ from their rows. */
export function changedAgents(inventory: Inventory): Finding[] {
  return inventory.store.agents
    .list()
    .filter(({ tokenSha256 }) => tokenSha256 !== '')
    .flatMap((agent) => lostFiles(agent, inventory) ?? changedContainer(agent, inventory) ?? []);
}

function lostFiles(
  { agentId, workspacePath }: AgentRecord,
  { volumes }: Inventory,
): Finding | undefined {
  const found = volumes.get(agentId);
  const holdsWorkspace = workspacePath !== undefined || (found?.holdsWorkspace ?? false);
  const holdsHome = found?.holdsHome ?? false;
  if (holdsWorkspace && holdsHome) return undefined;
  const missing = [!holdsWorkspace && 'files', !holdsHome && 'conversations'];
  const lost = missing.filter(Boolean).join(' and ');
  const message = `The agent "${agentId}" has lost its ${lost}: its next call starts without them`;
  const advice = 'Restore its volumes from a backup before that call.';
  return finding(problem('Agents', message, advice));
}

function changedContainer(agent: AgentRecord, inventory: Inventory): Finding | undefined {
  const { agentId, archived } = agent;
  const { containers, busy } = inventory;
  const container = containers.get(agentId);
  if (container === undefined) return archived ? undefined : lostContainer(agent, inventory);
  if (!container.outdated) return undefined;
  const check = warning(
    'Agents',
    `The container of the agent "${agentId}" has outdated settings`,
    'Its next call replaces it; files and conversation stay.',
  );
  // The next server resumes the turn that runs in it.
  if (busy.has(agentId)) return finding(check);
  return repairable(check, 'remove the container, not its volumes', () =>
    archive(agentId, inventory),
  );
}

function lostContainer({ agentId }: AgentRecord, inventory: Inventory): Finding {
  const check = warning(
    'Agents',
    `The container of the agent "${agentId}" is gone`,
    'Its next call creates a new one; files and conversation are kept.',
  );
  return repairable(check, 'mark the agent as archived', () => archive(agentId, inventory));
}

async function archive(agentId: AgentId, { store, runtime }: Inventory): Promise<void> {
  await runtime.stop(agentId, { graceSeconds: 0 });
  await runtime.remove(agentId, { volumes: false });
  store.agents.setArchived(agentId, true);
}
