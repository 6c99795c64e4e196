import { z } from 'zod';
import { AGENT_STATUSES, type AgentRecord } from '../agents/agent.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import { type AgentTransition, canTransition, idleSecondsOf } from '../agents/life/agent-life.ts';
import { type Decision, type SweepResult, sweep } from '../agents/life/sweep.ts';
import type { Access } from '../callers/access.ts';
import type { CallerAgents } from '../callers/caller-agents.ts';
import { AppError } from '../errors.ts';
import { agentNameSchema } from '../identity/agent-id.ts';
import { SAFE } from './annotations.ts';
import type { Tool } from './tool.ts';

type LifecycleServices = { access: Access; agents: AgentManager; store: { agents: AgentStore } };

const pinInput = z.strictObject({ agent_id: agentNameSchema });
const pinOutput = z.object({ agent_id: z.string(), pinned: z.boolean() });

/** For agents whose background processes must go on, or whose work must not be lost. */
export function pinTool({
  access,
  agents,
  store,
}: LifecycleServices): Tool<typeof pinInput, typeof pinOutput> {
  return {
    name: 'pin',
    title: 'Pin an agent',
    description:
      'Keeps an agent from being paused, stopped, archived or removed for being idle, until it is unpinned. A paused one goes on at once.',
    annotations: SAFE,
    input: pinInput,
    output: pinOutput,
    async run({ agent_id }, { principal }) {
      const { agentId, name } = changeable(access.agents(principal), agent_id);
      store.agents.setPinned(agentId, true);
      if (agents.statusOf(agentId) === 'paused') await agents.withAgent(agentId, async () => {});
      return { agent_id: name, pinned: true };
    },
  };
}

export function unpinTool({
  access,
  store,
}: LifecycleServices): Tool<typeof pinInput, typeof pinOutput> {
  return {
    name: 'unpin',
    title: 'Unpin an agent',
    description: 'Lets an agent be paused, stopped, archived and removed again for being idle.',
    annotations: SAFE,
    input: pinInput,
    output: pinOutput,
    async run({ agent_id }, { principal }) {
      const { agentId, name } = changeable(access.agents(principal), agent_id);
      store.agents.setPinned(agentId, false);
      return { agent_id: name, pinned: false };
    },
  };
}

/** The agent, if the caller may do something about it, and what the caller calls it. */
function changeable(own: CallerAgents, named: string): { agentId: string; name: string } {
  own.demand('work');
  const { agentId } = own.get(named);
  return { agentId, name: own.nameOf(agentId) };
}

const AGENTS_LISTED = 1000;
const cleanupInput = z.strictObject({
  agent_id: agentNameSchema.optional().describe('Only this one. Default: all.'),
  older_than_seconds: z
    .number()
    .int()
    .min(0)
    .optional()
    .describe('Only agents that were idle for so long. Default: all idle ones.'),
  dry_run: z.boolean().default(false).describe('Only tell what would be done.'),
  remove: z
    .boolean()
    .default(false)
    .describe(
      'Remove the agents with their files and conversations, sleeping ones too, instead of stopping them. Needs agent_id or older_than_seconds.',
    ),
});
const cleanupOutput = z.object({
  agents: z.array(
    z.object({
      agent_id: z.string(),
      status: z.enum(AGENT_STATUSES).describe('What it was before.'),
      idle_seconds: z.number().int(),
      outcome: z
        .enum(['stopped', 'removed', 'would_stop', 'would_remove', 'in_use', 'failed'])
        .describe('`in_use`: a call came first.'),
    }),
  ),
  total: z.number().int(),
});

/** Makes room now instead of when the reaper comes. */
export function cleanupTool(
  services: LifecycleServices,
): Tool<typeof cleanupInput, typeof cleanupOutput> {
  return {
    name: 'cleanup_inactive_agents',
    title: 'Clean up inactive agents',
    description:
      'Stops the agents that are idle now; they wake on their next call. Never touches agents that work, have calls waiting or are pinned.',
    annotations: { ...SAFE, destructiveHint: true },
    servedWhenFull: true,
    input: cleanupInput,
    output: cleanupOutput,
    async run(input, { principal, log }) {
      const own = services.access.agents(principal);
      own.demand('work');
      const decide = decisionOf(input);
      const records = input.agent_id === undefined ? own.list() : [own.get(input.agent_id)];
      const found = input.dry_run
        ? rehearse(services, records, decide)
        : await sweep({ ...services, records, reason: 'cleanup', log }, decide);
      const reports = found.slice(0, AGENTS_LISTED).map((one) => report(own, one));
      return { agents: reports, total: found.length };
    },
  };
}

function decisionOf({
  agent_id,
  older_than_seconds,
  remove,
}: z.output<typeof cleanupInput>): Decision {
  if (remove && agent_id === undefined && older_than_seconds === undefined) {
    throw new AppError(
      'invalid_input',
      'remove needs agent_id or older_than_seconds: it deletes work.',
    );
  }
  const step = remove ? 'remove' : 'stop';
  const bound = older_than_seconds ?? 0;
  return (life) =>
    canTransition(step, life) && idleSecondsOf(life, new Date()) >= bound ? step : 'none';
}

type Found = Omit<SweepResult, 'outcome'> & { outcome: SweepResult['outcome'] | 'rehearsed' };

function rehearse(
  { agents }: LifecycleServices,
  records: readonly AgentRecord[],
  decide: Decision,
): Found[] {
  return records.flatMap((record) => {
    const life = agents.lifeOf(record);
    const step = decide(life, record.agentId);
    return step === 'none'
      ? []
      : [{ agentId: record.agentId, life, transition: step, outcome: 'rehearsed' }];
  });
}

function report(own: CallerAgents, { agentId, life, transition, outcome }: Found) {
  return {
    agent_id: own.nameOf(agentId),
    status: life.status,
    idle_seconds: Math.round(idleSecondsOf(life, new Date())),
    outcome: wordOf(transition, outcome),
  };
}

function wordOf(transition: AgentTransition, outcome: Found['outcome']) {
  const removes = transition === 'remove';
  switch (outcome) {
    case 'taken':
      return removes ? 'removed' : 'stopped';
    case 'rehearsed':
      return removes ? 'would_remove' : 'would_stop';
    case 'in_use':
    case 'failed':
      return outcome;
    default:
      return outcome satisfies never;
  }
}
