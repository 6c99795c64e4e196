import { z } from 'zod';
import { AGENT_STATUSES, type AgentRecord } from '../agents/agent.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import { measureDisk } from '../agents/disk-usage.ts';
import { idleSecondsOf, type LifeSettings, secondsUntil } from '../agents/life/agent-life.ts';
import type { Access } from '../callers/access.ts';
import { agentNameSchema } from '../identity/agent-id.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import { TURN_STATES } from '../turns/turn.ts';
import type { TurnService } from '../turns/turn-service.ts';
import type { TurnStore } from '../turns/turn-store.ts';
import { LOOKING } from './annotations.ts';
import type { Tool } from './tool.ts';

type AgentServices = {
  access: Access;
  agents: AgentManager;
  turns: TurnService;
  store: { turns: TurnStore };
  runtime: ContainerRuntime;
  config: LifeSettings;
};

const activeInput = z.strictObject({});
const activeOutput = z.object({
  agents: z.array(
    z.object({
      agent_id: z.string(),
      status: z.enum(AGENT_STATUSES),
      pinned: z.boolean(),
      idle_seconds: z.number().int().nullable().describe('Null while it works.'),
      calls_waiting: z.number().int().describe('Calls that run or wait now.'),
    }),
  ),
  total: z.number().int(),
});

/** The agents that hold memory now. */
export function listActiveTool({
  access,
  agents,
  turns,
}: AgentServices): Tool<typeof activeInput, typeof activeOutput> {
  return {
    name: 'list_active_agents',
    title: 'List active agents',
    description: 'Lists the agents that work, are idle or are paused: those that hold memory now.',
    annotations: LOOKING,
    input: activeInput,
    output: activeOutput,
    async run(_input, { principal }) {
      const own = access.agents(principal);
      const active = own
        .list()
        .map((record) => ({ record, life: agents.lifeOf(record) }))
        .filter(({ life }) => life.status !== 'stopped' && life.status !== 'archived')
        .map(({ record, life }) => ({
          agent_id: own.nameOf(record.agentId),
          status: life.status,
          pinned: record.pinned,
          idle_seconds: life.status === 'busy' ? null : Math.round(idleSecondsOf(life, new Date())),
          calls_waiting: turns.load(record.agentId),
        }));
      return { agents: active, total: active.length };
    },
  };
}

const amount = z.number().nullable();
const seconds = z.number().int().nullable();
const statusInput = z.strictObject({ agent_id: agentNameSchema });
const statusOutput = z.object({
  agent_id: z.string(),
  session_id: z.string().nullable(),
  status: z.enum(AGENT_STATUSES),
  pinned: z.boolean(),
  cpu_percent: amount.describe('Of one CPU. Numbers that cannot be told now are null.'),
  memory_bytes: amount,
  memory_limit_bytes: amount,
  pids: amount.describe('Processes and threads.'),
  workspace_bytes: amount.describe('Null while it is paused or stopped.'),
  home_bytes: amount,
  disk_limit_bytes: amount.describe(
    'What workspace and home may take together; turns that write are refused beyond it.',
  ),
  current_turn: z
    .object({ turn_id: z.string(), tool: z.string(), state: z.enum(TURN_STATES) })
    .nullable(),
  calls_waiting: z.number().int().describe('Calls that run or wait now.'),
  seconds_until: z
    .object({ paused: seconds, stopped: seconds, archived: seconds, removed: seconds })
    .describe('If nobody calls. Null: never, or already.'),
});

/** What one agent does, uses, and has before it. */
export function agentStatusTool(
  services: AgentServices,
): Tool<typeof statusInput, typeof statusOutput> {
  return {
    name: 'get_agent_status',
    title: 'Show an agent',
    description:
      'Shows what an agent does now, its CPU, memory and disk, and when it will be paused, stopped, archived and removed.',
    annotations: LOOKING,
    input: statusInput,
    output: statusOutput,
    async run({ agent_id }, { principal }) {
      const own = services.access.agents(principal);
      const record = own.get(agent_id);
      const { agentId } = record;
      return {
        agent_id: own.nameOf(agentId),
        ...(await usage(services, agentId)),
        ...state(services, record),
      };
    },
  };
}

function state({ agents, turns, store, config }: AgentServices, record: AgentRecord) {
  const { agentId } = record;
  const [turn] = store.turns.unfinished().filter((each) => each.agentId === agentId);
  return {
    ...outlookOf({ agents, config }, record),
    session_id: record.threadId ?? null,
    current_turn: turn ? { turn_id: turn.turnId, tool: turn.tool, state: turn.state } : null,
    calls_waiting: turns.load(agentId),
  };
}

/** How an agent is, and how long if nobody calls. */
export function outlookOf(
  { agents, config }: Pick<AgentServices, 'agents' | 'config'>,
  record: AgentRecord,
) {
  const life = agents.lifeOf(record);
  const until = secondsUntil(life, new Date(), config);
  return {
    status: life.status,
    pinned: record.pinned,
    seconds_until: {
      paused: until.pause ?? null,
      stopped: until.stop ?? null,
      archived: until.archive ?? null,
      removed: until.remove ?? null,
    },
  };
}

/** Measuring wakes nobody: of an agent that sleeps, or an engine that is away, there is nothing to tell. */
async function usage({ runtime, agents }: AgentServices, agentId: string) {
  const container = await runtime.inspect(agentId).catch(() => undefined);
  const [stats, disk] = await Promise.all([
    runtime.stats(agentId).catch(() => undefined),
    container?.state === 'running' ? measureDisk(runtime, agentId) : undefined,
  ]);
  if (disk) agents.disk.record(agentId, disk);
  return {
    cpu_percent: stats ? Math.round(stats.cpuPercent * 10) / 10 : null,
    memory_bytes: stats?.memoryBytes ?? null,
    memory_limit_bytes: stats?.memoryLimitBytes ?? null,
    pids: stats?.pids ?? null,
    workspace_bytes: disk?.workspaceBytes ?? null,
    home_bytes: disk?.homeBytes ?? null,
    disk_limit_bytes: agents.disk.limitBytes ?? null,
  };
}
