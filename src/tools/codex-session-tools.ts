import { z } from 'zod';
import { AGENT_STATUSES, type AgentRecord } from '../agents/agent.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import { canTransition, dueTransition, type LifeSettings } from '../agents/life/agent-life.ts';
import { sweep } from '../agents/life/sweep.ts';
import { SANDBOXES, type ThreadRecord, type ThreadSettings } from '../agents/threads/thread.ts';
import type { ThreadStore } from '../agents/threads/thread-store.ts';
import type { Access } from '../callers/access.ts';
import type { CallerAgents } from '../callers/caller-agents.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { agentNameSchema } from '../identity/agent-id.ts';
import { LOOKING, SAFE } from './annotations.ts';
import type { Tool } from './tool.ts';

const MOST_SESSIONS = 200;

type SessionServices = {
  access: Access;
  agents: AgentManager;
  store: { agents: AgentStore; threads: ThreadStore };
  config: LifeSettings & Pick<Config, 'CODEX_SANDBOX_MODE' | 'CODEX_MODEL'>;
};

const infoInput = z.strictObject({
  session_id: z.string().min(1).max(100).optional().describe('Only this conversation.'),
  list_active: z
    .boolean()
    .default(false)
    .describe('Those of all agents that are awake or paused, instead of those of one agent.'),
  agent_id: agentNameSchema.optional().describe('Default: the agent of your session.'),
});
const session = z.object({
  session_id: z.string().describe('Pass it to codex-reply, as session_id or as threadId.'),
  agent_id: z.string(),
  own: z.boolean().describe('Whether it is the one that plan, implement and the like go on with.'),
  status: z.enum(AGENT_STATUSES).describe('Of the agent. One that sleeps wakes on the next call.'),
  model: z.string(),
  sandbox: z.enum(SANDBOXES),
  cwd: z.string(),
  created_at: z.iso.datetime(),
  last_used_at: z.iso.datetime(),
});
const infoOutput = z.object({ sessions: z.array(session), total: z.number().int() });

/** The conversations that can be gone on with. */
export function sessionInfoTool(
  services: SessionServices,
): Tool<typeof infoInput, typeof infoOutput> {
  const { access, agents, store } = services;
  return {
    name: 'codex-session-info',
    title: 'Show conversations',
    description:
      'Shows the conversations of an agent, of all active agents, or one of them: how each was begun and when it was last used.',
    annotations: LOOKING,
    input: infoInput,
    output: infoOutput,
    async run({ session_id, list_active, agent_id }, call) {
      const own = access.agents(call.principal);
      const shownOf = (one: Session) => ({
        ...describe(services, one),
        agent_id: own.nameOf(one.agentId),
      });
      if (session_id !== undefined) {
        return { sessions: [shownOf(findSession(own, session_id))], total: 1 };
      }
      const mine = own.find(agent_id ?? call.defaultAgentId);
      const meant = list_active
        ? own.list().filter(({ agentId }) => isActive(agents, agentId))
        : [mine].filter((agent) => agent !== undefined);
      const found = meant.flatMap((agent) => sessionsOf(store, agent));
      const shown = found.slice(0, MOST_SESSIONS).map(shownOf);
      return { sessions: shown, total: found.length };
    },
  };
}

const cleanupInput = z.strictObject({
  force: z.boolean().default(false).describe('All agents that are idle, and not only those due.'),
});
const cleanupOutput = z.object({
  agents: z.array(
    z.object({
      agent_id: z.string(),
      step: z.enum(['pause', 'stop', 'archive', 'remove']),
      outcome: z.enum(['taken', 'in_use', 'failed']).describe('`in_use`: a call came first.'),
    }),
  ),
  total: z.number().int(),
});

/** What the reaper does on its schedule, now. */
export function sessionCleanupTool(
  services: SessionServices,
): Tool<typeof cleanupInput, typeof cleanupOutput> {
  return {
    name: 'codex-cleanup',
    title: 'Clean up sessions',
    description:
      'Takes down the agents whose time has come, or with force all that are idle. A stopped one wakes on its next call with its files and conversations. See cleanup_inactive_agents for more choice.',
    annotations: { ...SAFE, destructiveHint: true },
    input: cleanupInput,
    output: cleanupOutput,
    async run({ force }, { principal, log }) {
      const own = services.access.agents(principal);
      own.demand('work');
      const records = own.list();
      const swept = await sweep({ ...services, records, reason: 'cleanup', log }, (life) => {
        const due = dueTransition(life, new Date(), services.config);
        if (!force || due === 'archive' || due === 'remove') return due;
        return canTransition('stop', life) ? 'stop' : 'none';
      });
      return {
        agents: swept.map(({ agentId, transition, outcome }) => ({
          agent_id: own.nameOf(agentId),
          step: transition,
          outcome,
        })),
        total: swept.length,
      };
    },
  };
}

function isActive(agents: AgentManager, agentId: string): boolean {
  const status = agents.statusOf(agentId);
  return status !== 'stopped' && status !== 'archived';
}

/** A conversation of an agent, with the settings of one that a caller began. */
type Session = Omit<ThreadRecord, 'settings'> & { settings?: ThreadSettings };

function findSession(own: CallerAgents, threadId: string): Session {
  const found = own.findThread(threadId);
  if (found) return found.begun ?? ownSession(found.agent, threadId);
  throw new AppError('thread_not_found', `There is no conversation "${threadId}".`);
}

function sessionsOf(store: { threads: ThreadStore }, agent: AgentRecord): Session[] {
  const { agentId, threadId } = agent;
  const begun = store.threads.list({ agentId, limit: MOST_SESSIONS });
  return threadId ? [ownSession(agent, threadId), ...begun] : begun;
}

function ownSession({ agentId, createdAt, lastUsedAt }: AgentRecord, threadId: string): Session {
  return { threadId, agentId, createdAt, lastUsedAt };
}

function describe(
  { agents, config }: SessionServices,
  { threadId, agentId, settings, createdAt, lastUsedAt }: Session,
) {
  return {
    session_id: threadId,
    own: settings === undefined,
    status: agents.statusOf(agentId),
    model: settings?.model ?? config.CODEX_MODEL,
    sandbox: settings?.sandbox ?? config.CODEX_SANDBOX_MODE,
    cwd: settings?.cwd ?? '.',
    created_at: createdAt.toISOString(),
    last_used_at: lastUsedAt.toISOString(),
  };
}
