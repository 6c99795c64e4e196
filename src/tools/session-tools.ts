import { z } from 'zod';
import { AGENT_STATUSES, type AgentRecord } from '../agents/agent.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import { type LifeSettings, secondsUntil } from '../agents/life/agent-life.ts';
import type { Access } from '../callers/access.ts';
import type { CallerAgents } from '../callers/caller-agents.ts';
import type { Config } from '../config/config.ts';
import { agentNameSchema } from '../identity/agent-id.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import { TURN_STATES } from '../turns/turn.ts';
import type { TurnService } from '../turns/turn-service.ts';
import type { TurnStore } from '../turns/turn-store.ts';
import { LOOKING } from './annotations.ts';
import { describeInForce, inForce } from './effective-settings.ts';
import type { Tool } from './tool.ts';

const LAST_TURNS = 5;
const DEFAULT_LIMIT = 100;
const LARGEST_LIMIT = 1000;

type SessionServices = {
  access: Access;
  agents: AgentManager;
  turns: TurnService;
  store: { turns: TurnStore };
  runtime: ContainerRuntime;
  config: LifeSettings & Pick<Config, 'CODEX_MODEL' | 'CODEX_REASONING'>;
};

const session = z.object({
  session_id: z.string().nullable().describe('The conversation; null before the first turn.'),
  agent_id: z.string(),
  created_at: z.iso.datetime(),
  last_used_at: z.iso.datetime(),
  status: z
    .enum(AGENT_STATUSES)
    .describe('An agent that sleeps wakes on the next call, as it was.'),
  pinned: z.boolean().describe('Whether it is kept from being paused, stopped or removed.'),
  container_id: z.string().nullable(),
  turns: z.number().int().describe('How many calls there were.'),
  calls_waiting: z.number().int().describe('Calls that run or wait now.'),
  stops_in_seconds: z.number().int().nullable().describe('When it is stopped if nobody calls.'),
  removed_in_seconds: z
    .number()
    .int()
    .nullable()
    .describe('When it is removed with its files and conversation if nobody calls. Null: never.'),
});

const listInput = z.strictObject({
  agent_id: agentNameSchema.optional().describe('Only this agent.'),
  limit: z.number().int().min(1).max(LARGEST_LIMIT).default(DEFAULT_LIMIT),
});
const listOutput = z.object({
  sessions: z.array(session).describe('The last used first.'),
  total: z.number().int().describe('How many there are, listed or not.'),
});

/** All agents, or one. */
export function listSessionsTool(
  services: SessionServices,
): Tool<typeof listInput, typeof listOutput> {
  return {
    name: 'list_sessions',
    title: 'List sessions',
    description: 'Lists the agents with their conversations, containers and state.',
    annotations: LOOKING,
    input: listInput,
    output: listOutput,
    async run({ agent_id, limit }, { principal }) {
      const own = services.access.agents(principal);
      const records = agent_id ? [own.get(agent_id)] : own.list();
      const listed = records.slice(0, limit);
      const sessions = await describeAll(services, own, listed);
      return { sessions, total: records.length };
    },
  };
}

const mineInput = z.strictObject({
  agent_id: agentNameSchema.optional().describe('Default: the agent of your session.'),
});
const mineOutput = z.object({
  agent_id: z
    .string()
    .describe('Pass it to other tools, and in later sessions, to keep this agent.'),
  exists: z.boolean().describe('False until the first call that works.'),
  session: session.nullable(),
  in_force: inForce.nullable().describe('What the agent is told and may use now.'),
  last_turns: z.array(
    z.object({
      turn_id: z.string(),
      tool: z.string(),
      state: z.enum(TURN_STATES),
      error_code: z.string().nullable(),
      created_at: z.iso.datetime(),
      ended_at: z.iso.datetime().nullable(),
    }),
  ),
});

/** The agent that a caller gets when it names none. */
export function mySessionTool(
  services: SessionServices,
): Tool<typeof mineInput, typeof mineOutput> {
  return {
    name: 'get_my_session_info',
    title: 'Show my session',
    description:
      'Shows which agent your calls go to, its state, its last calls, and the instructions, model, skills and MCP servers that it goes by.',
    annotations: LOOKING,
    input: mineInput,
    output: mineOutput,
    async run({ agent_id }, call) {
      const agent = agent_id ?? call.defaultAgentId;
      const own = services.access.agents(call.principal);
      const record = own.find(agent);
      if (!record) {
        return { agent_id: agent, exists: false, session: null, in_force: null, last_turns: [] };
      }
      const turns = services.access.turns(call.principal).list({ agent, limit: LAST_TURNS });
      const [session = null] = await describeAll(services, own, [record]);
      return {
        agent_id: own.nameOf(record.agentId),
        exists: true,
        session,
        in_force: await describeInForce(services, record),
        last_turns: turns.map((turn) => ({
          turn_id: turn.turnId,
          tool: turn.tool,
          state: turn.state,
          error_code: turn.error?.code ?? null,
          created_at: turn.createdAt.toISOString(),
          ended_at: turn.endedAt?.toISOString() ?? null,
        })),
      };
    },
  };
}

async function describeAll(
  services: SessionServices,
  own: CallerAgents,
  records: readonly AgentRecord[],
): Promise<z.input<typeof session>[]> {
  const containers = await containerIds(services.runtime);
  return records.map((record) => ({
    ...describe(services, record),
    agent_id: own.nameOf(record.agentId),
    container_id: containers.get(record.agentId) ?? null,
  }));
}

/** Empty while the engine is away: what the store knows can still be told. */
async function containerIds(runtime: ContainerRuntime): Promise<ReadonlyMap<string, string>> {
  const containers = await runtime.list().catch(() => []);
  return new Map(containers.map(({ agentId, id }) => [agentId, id]));
}

function describe({ agents, turns, store, config }: SessionServices, record: AgentRecord) {
  const { agentId } = record;
  const until = secondsUntil(agents.lifeOf(record), new Date(), config);
  return {
    session_id: record.threadId ?? null,
    created_at: record.createdAt.toISOString(),
    last_used_at: record.lastUsedAt.toISOString(),
    status: agents.statusOf(agentId),
    pinned: record.pinned,
    turns: store.turns.count(agentId),
    calls_waiting: turns.load(agentId),
    stops_in_seconds: until.stop ?? null,
    removed_in_seconds: until.remove ?? null,
  };
}
