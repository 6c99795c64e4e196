import { z } from 'zod';
import { AGENT_STATUSES } from '../agents/agent.ts';
import type { CleanedAgent } from '../callers/caller-lifecycle.ts';
import type { CallerViews } from '../callers/caller-views.ts';
import { agentNameSchema } from '../identity/agent-id.ts';
import { UPDATE } from './annotations.ts';
import { agentName } from './arguments.ts';
import { defineTool } from './tool.ts';

const AGENTS_LISTED = 1000;

const pinInput = z.strictObject({ agent_id: agentName });
const pinOutput = z.object({ agent_id: z.string(), pinned: z.boolean() });

export const pinTool = (views: CallerViews) =>
  defineTool({
    name: 'pin',
    title: 'Pin an agent',
    description:
      'Keeps an idle agent from being paused, stopped, archived or removed until unpin; use it when background processes of the agent have to go on or its files must not expire. A paused agent resumes at once.',
    annotations: UPDATE,
    input: pinInput,
    output: pinOutput,
    run: async ({ agent_id }, { principal }) => ({
      agent_id: await views.lifecycle(principal).pin(agent_id),
      pinned: true,
    }),
  });

export const unpinTool = (views: CallerViews) =>
  defineTool({
    name: 'unpin',
    title: 'Unpin an agent',
    description:
      'Ends the effect of pin; use it when an idle agent may be paused, stopped, archived and removed again.',
    annotations: UPDATE,
    input: pinInput,
    output: pinOutput,
    run: async ({ agent_id }, { principal }) => ({
      agent_id: views.lifecycle(principal).unpin(agent_id),
      pinned: false,
    }),
  });

const cleanupInput = z.strictObject({
  agent_id: agentNameSchema.optional().describe('Cleans up this agent only. Default: all agents.'),
  older_than_seconds: z
    .number()
    .int()
    .min(0)
    .optional()
    .describe('Cleans up agents that were idle for this long. Default: all idle agents.'),
  dry_run: z
    .boolean()
    .default(false)
    .describe('true: reports what would be done, and does nothing.'),
  remove: z
    .boolean()
    .default(false)
    .describe(
      'true: deletes the agents with their files and conversations, stopped agents too, instead of stopping them. Requires agent_id or older_than_seconds.',
    ),
});
const cleanupOutput = z.object({
  agents: z.array(
    z.object({
      agent_id: z.string(),
      status: z.enum(AGENT_STATUSES).describe('Before the clean-up.'),
      idle_seconds: z.number().int(),
      outcome: z
        .enum(['stopped', 'removed', 'would_stop', 'would_remove', 'in_use', 'failed'])
        .describe('in_use: a call came first.'),
    }),
  ),
  total: z.number().int(),
});

export const cleanupTool = (views: CallerViews) =>
  defineTool({
    name: 'cleanup_inactive_agents',
    title: 'Clean up inactive agents',
    description:
      'Stops idle agents, or with remove deletes them; use it to free memory or disk now. A stopped agent wakes on its next call with its files and conversation. Agents that are busy, pinned or have calls waiting are left alone.',
    annotations: { ...UPDATE, destructiveHint: true },
    servedWhenFull: true,
    input: cleanupInput,
    output: cleanupOutput,
    async run({ agent_id: agent, older_than_seconds, dry_run, remove }, { principal, log }) {
      const choice = { agent, olderThanSeconds: older_than_seconds, dryRun: dry_run, remove };
      const cleaned = await views.lifecycle(principal).cleanUp(choice, log);
      const agents = cleaned.slice(0, AGENTS_LISTED).map((one) => ({
        agent_id: one.name,
        status: one.status,
        idle_seconds: one.idleSeconds,
        outcome: outcomeOf(one),
      }));
      return { agents, total: cleaned.length };
    },
  });

function outcomeOf({ step, outcome }: CleanedAgent) {
  const removes = step === 'remove';
  switch (outcome) {
    case 'taken':
      return removes ? 'removed' : 'stopped';
    case 'planned':
      return removes ? 'would_remove' : 'would_stop';
    case 'in_use':
    case 'failed':
      return outcome;
    default:
      return outcome satisfies never;
  }
}
