import { z } from 'zod';
import { AGENT_STATUSES } from '../agents/agent.ts';
import { SANDBOXES } from '../agents/threads/thread.ts';
import type { SessionView } from '../callers/caller-sessions.ts';
import type { CallerViews } from '../callers/caller-views.ts';
import { QUERY, UPDATE } from './annotations.ts';
import { id, optionalAgentName } from './arguments.ts';
import { defineTool } from './tool.ts';

const MOST_SESSIONS = 200;

const infoInput = z.strictObject({
  session_id: id.optional().describe('Returns this conversation only.'),
  list_active: z
    .boolean()
    .default(false)
    .describe(
      'true: returns the conversations of all active agents instead of those of one agent.',
    ),
  agent_id: optionalAgentName,
});
const session = z.object({
  session_id: z.string().describe('Pass it to codex-reply as session_id or as threadId.'),
  agent_id: z.string(),
  own: z.boolean().describe('true: the conversation that plan, implement and the like share.'),
  status: z
    .enum(AGENT_STATUSES)
    .describe('The state of the agent. A sleeping agent wakes on its next call.'),
  model: z.string(),
  sandbox: z.enum(SANDBOXES),
  cwd: z.string(),
  created_at: z.iso.datetime(),
  last_used_at: z.iso.datetime(),
});
const infoOutput = z.object({ sessions: z.array(session), total: z.number().int() });

export const sessionInfoTool = (views: CallerViews) =>
  defineTool({
    name: 'codex-session-info',
    title: 'Show conversations',
    description:
      'Shows the conversations of an agent, or of all active agents, with their settings and last use; use it to find the session_id for codex-reply.',
    annotations: QUERY,
    input: infoInput,
    output: infoOutput,
    async run({ session_id, list_active, agent_id }, { principal, defaultAgentName }) {
      const own = views.sessions(principal);
      const listed = () =>
        list_active ? own.listActive() : own.list(agent_id ?? defaultAgentName);
      const found = session_id === undefined ? listed() : [own.get(session_id)];
      return { sessions: found.slice(0, MOST_SESSIONS).map(describe), total: found.length };
    },
  });

const cleanupInput = z.strictObject({
  force: z
    .boolean()
    .default(false)
    .describe('true: stops all idle agents, and not only those whose idle time is over.'),
});
const cleanupOutput = z.object({
  agents: z.array(
    z.object({
      agent_id: z.string(),
      step: z.enum(['pause', 'stop', 'archive', 'remove']),
      outcome: z.enum(['taken', 'in_use', 'failed']).describe('in_use: a call came first.'),
    }),
  ),
  total: z.number().int(),
});

export const sessionCleanupTool = (views: CallerViews) =>
  defineTool({
    name: 'codex-cleanup',
    title: 'Clean up sessions',
    description:
      'Pauses, stops, archives or removes the agents whose idle time is over, and with force stops all idle agents; use it to run the clean-up of the server now. A stopped agent wakes on its next call with its files and conversations. To choose agents, call cleanup_inactive_agents.',
    annotations: { ...UPDATE, destructiveHint: true },
    input: cleanupInput,
    output: cleanupOutput,
    async run({ force }, { principal, log }) {
      const cleaned = await views.lifecycle(principal).sweep(force, log);
      return {
        agents: cleaned.map(({ name, step, outcome }) => ({ agent_id: name, step, outcome })),
        total: cleaned.length,
      };
    },
  });

function describe({ threadId, agent, status, settings, model, sandbox, ...times }: SessionView) {
  return {
    ...{ session_id: threadId, agent_id: agent, own: settings === undefined },
    ...{ status, model, sandbox, cwd: settings?.cwd ?? '.' },
    created_at: times.createdAt.toISOString(),
    last_used_at: times.lastUsedAt.toISOString(),
  };
}
