import { z } from 'zod';
import { AGENT_STATUSES } from '../agents/agent.ts';
import type { AgentView } from '../callers/caller-agents.ts';
import type { CallerViews } from '../callers/caller-views.ts';
import { TURN_STATES } from '../turns/turn.ts';
import { QUERY } from './annotations.ts';
import { agentName, noInput } from './arguments.ts';
import { defineTool } from './tool.ts';

const openCalls = z.number().int().describe('Calls that run or wait now.');

const activeOutput = z.object({
  agents: z.array(
    z.object({
      agent_id: z.string(),
      status: z.enum(AGENT_STATUSES),
      pinned: z.boolean(),
      idle_seconds: z.number().int().nullable().describe('Null while the agent is busy.'),
      calls_waiting: openCalls,
    }),
  ),
  total: z.number().int(),
});

export const listActiveTool = (views: CallerViews) =>
  defineTool({
    name: 'list_active_agents',
    title: 'List active agents',
    description:
      'Lists the agents that are busy, idle or paused; use it to see which agents hold memory now. For all agents call list_sessions.',
    annotations: QUERY,
    input: noInput,
    output: activeOutput,
    async run(_input, { principal }) {
      const { agents } = views.agents(principal).list();
      const active = agents
        .filter(({ status }) => status !== 'stopped' && status !== 'archived')
        .map(({ name, status, pinned, idleSeconds = null, openCalls }) => ({
          ...{ agent_id: name, status, pinned },
          ...{ idle_seconds: idleSeconds, calls_waiting: openCalls },
        }));
      return { agents: active, total: active.length };
    },
  });

const amount = z.number().nullable();
const seconds = z.number().int().nullable();
const statusInput = z.strictObject({ agent_id: agentName });
const statusOutput = z.object({
  agent_id: z.string(),
  session_id: z.string().nullable(),
  status: z.enum(AGENT_STATUSES),
  pinned: z.boolean(),
  cpu_percent: amount.describe('100 is one CPU. A number that cannot be measured now is null.'),
  memory_bytes: amount,
  memory_limit_bytes: amount,
  pids: amount.describe('Processes and threads.'),
  workspace_bytes: amount.describe('Null while the agent is paused or stopped.'),
  home_bytes: amount,
  disk_limit_bytes: amount.describe(
    'The most that workspace and home may use together. Turns that write fail beyond it.',
  ),
  current_turn: z
    .object({ turn_id: z.string(), tool: z.string(), state: z.enum(TURN_STATES) })
    .nullable(),
  calls_waiting: openCalls,
  seconds_until: z
    .object({ paused: seconds, stopped: seconds, archived: seconds, removed: seconds })
    .describe('If nobody calls the agent. Null: never, or the step is past.'),
});

export const agentStatusTool = (views: CallerViews) =>
  defineTool({
    name: 'get_agent_status',
    title: 'Show an agent',
    description:
      'Shows what an agent does and uses now, and when it is paused, stopped, archived and removed; use it to see whether an agent is busy, short of disk or about to be removed. The call does not wake the agent.',
    annotations: QUERY,
    input: statusInput,
    output: statusOutput,
    async run({ agent_id }, { principal }) {
      const agents = views.agents(principal);
      const {
        cpuPercent: cpu,
        memoryBytes = null,
        memoryLimitBytes = null,
        ...used
      } = await agents.usage(agent_id);
      const { pids = null, workspaceBytes = null, homeBytes = null, diskLimitBytes = null } = used;
      const agent = agents.get(agent_id);
      const turn = views.turns(principal).current(agent_id);
      return {
        ...agentState(agent),
        session_id: agent.threadId ?? null,
        cpu_percent: cpu === undefined ? null : Math.round(cpu * 10) / 10,
        ...{ memory_bytes: memoryBytes, memory_limit_bytes: memoryLimitBytes, pids },
        ...{ workspace_bytes: workspaceBytes, home_bytes: homeBytes },
        disk_limit_bytes: diskLimitBytes,
        current_turn: turn ? { turn_id: turn.turnId, tool: turn.tool, state: turn.state } : null,
        calls_waiting: agent.openCalls,
      };
    },
  });

/** How an agent is now, and how long if nobody calls it. */
export function agentState({ name, status, pinned, secondsUntil }: AgentView) {
  const { pause = null, stop = null, archive = null, remove = null } = secondsUntil;
  const until = { paused: pause, stopped: stop, archived: archive, removed: remove };
  return { agent_id: name, status, pinned, seconds_until: until };
}
