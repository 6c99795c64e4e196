import { z } from 'zod';
import { AGENT_STATUSES } from '../agents/agent.ts';
import { settingsData, settingsOutput } from '../agents/threads/agent-settings-data.ts';
import { REASONING_EFFORTS } from '../agents/threads/thread.ts';
import type { AgentView } from '../callers/caller-agents.ts';
import type { CallerViews } from '../callers/caller-views.ts';
import type { Principal } from '../identity/principal.ts';
import { QUERY } from './annotations.ts';
import { filterByAgent, limit, optionalAgentName } from './arguments.ts';
import { defineTool } from './tool.ts';
import { describeTurn, turnSummary } from './turn-tools.ts';

const LAST_TURNS = 5;
const DEFAULT_LIMIT = 100;
const LARGEST_LIMIT = 1000;

const session = z.object({
  session_id: z.string().nullable().describe('The conversation. Null before the first turn.'),
  agent_id: z.string(),
  created_at: z.iso.datetime(),
  last_used_at: z.iso.datetime(),
  status: z
    .enum(AGENT_STATUSES)
    .describe('A paused, stopped or archived agent wakes on its next call with all its files.'),
  pinned: z.boolean().describe('true: the agent is not paused, stopped or removed for being idle.'),
  container_id: z.string().nullable(),
  turns: z.number().int().describe('How many turns the server keeps of the agent.'),
  calls_waiting: z.number().int().describe('Calls that run or wait now.'),
  stops_in_seconds: z.number().int().nullable().describe('If nobody calls the agent.'),
  removed_in_seconds: z
    .number()
    .int()
    .nullable()
    .describe('When files and conversation are deleted if nobody calls the agent. Null: never.'),
});

const listInput = z.strictObject({
  agent_id: filterByAgent,
  limit: limit(LARGEST_LIMIT, DEFAULT_LIMIT),
});
const listOutput = z.object({
  sessions: z.array(session).describe('The last used first.'),
  total: z.number().int().describe('How many agents there are, beyond the limit too.'),
});

export const listSessionsTool = (views: CallerViews) =>
  defineTool({
    name: 'list_sessions',
    title: 'List sessions',
    description:
      'Lists your agents with their conversations, containers and states; use it to find the agent_id of earlier work.',
    annotations: QUERY,
    input: listInput,
    output: listOutput,
    async run({ agent_id, limit }, { principal }) {
      const own = views.agents(principal);
      const { agents, total } = agent_id
        ? { agents: [own.get(agent_id)], total: 1 }
        : own.list(limit);
      return { sessions: await describe(views, principal, agents), total };
    },
  });

/** What the next turn of an agent goes by. */
const effectiveSettings = z.object({
  ...settingsOutput,
  model: z.string().describe('The model of turns that name none.'),
  reasoning_effort: z.enum(REASONING_EFFORTS),
  skills: z
    .array(
      z.object({
        name: z.string(),
        description: z.string(),
        source: z
          .string()
          .describe(
            'admin: the server or the image. repo: the workspace. user: the home of the agent. system: Codex.',
          ),
        path: z.string(),
      }),
    )
    .nullable()
    .describe('The skills that Codex finds now. Null while the agent sleeps.'),
  instruction_files: z
    .array(z.string())
    .nullable()
    .describe(
      'Files, such as AGENTS.md, that Codex read into the conversation. Null while the agent sleeps.',
    ),
});

const mineInput = z.strictObject({
  agent_id: optionalAgentName.describe('Default: the agent that calls without an agent_id go to.'),
});
const mineOutput = z.object({
  agent_id: z
    .string()
    .describe('Pass it to other tools, in later sessions too, to go on with this agent.'),
  exists: z.boolean().describe('false before the first turn.'),
  session: session.nullable(),
  in_force: effectiveSettings.nullable().describe('Instructions, model, skills and MCP servers.'),
  last_turns: z.array(turnSummary.omit({ agent_id: true })),
});

export const mySessionTool = (views: CallerViews) =>
  defineTool({
    name: 'get_my_session_info',
    title: 'Show my session',
    description:
      'Shows the agent that your calls go to, with its state, last turns, instructions, model, skills and MCP servers; use it to find a result that you lost or to see which skills exist.',
    annotations: QUERY,
    input: mineInput,
    output: mineOutput,
    async run({ agent_id }, { principal, defaultAgentName }) {
      const name = agent_id ?? defaultAgentName;
      const own = views.agents(principal);
      const agent = own.find(name);
      if (!agent) {
        return { agent_id: name, exists: false, session: null, in_force: null, last_turns: [] };
      }
      const turns = views.turns(principal).list({ agent: name, limit: LAST_TURNS });
      const [[session = null], effective] = await Promise.all([
        describe(views, principal, [agent]),
        own.settings(name),
      ]);
      const { settings, model, effort, skills = null, instructionFiles = null } = effective;
      return {
        agent_id: agent.name,
        exists: true,
        session,
        in_force: {
          ...settingsData(settings),
          ...{ model, reasoning_effort: effort, skills, instruction_files: instructionFiles },
        },
        last_turns: turns.map(describeTurn),
      };
    },
  });

async function describe(
  views: CallerViews,
  principal: Principal,
  agents: readonly AgentView[],
): Promise<z.input<typeof session>[]> {
  const containers = await views.agents(principal).containerIds(agents.map(({ name }) => name));
  const turns = views.turns(principal);
  return agents.map(({ name, threadId = null, status, pinned, openCalls, ...agent }) => ({
    ...{ session_id: threadId, agent_id: name, status, pinned, calls_waiting: openCalls },
    created_at: agent.createdAt.toISOString(),
    last_used_at: agent.lastUsedAt.toISOString(),
    container_id: containers.get(name) ?? null,
    turns: turns.count(name),
    stops_in_seconds: agent.secondsUntil.stop ?? null,
    removed_in_seconds: agent.secondsUntil.remove ?? null,
  }));
}
