import { z } from 'zod';
import type { CallerViews } from '../callers/caller-views.ts';
import { agentNameSchema } from '../identity/agent-id.ts';
import { WRITE } from './annotations.ts';
import { id } from './arguments.ts';
import { defineTool } from './tool.ts';

const input = z.strictObject({
  turn_id: id.describe('The turn of the implement call that had candidates.'),
  agent_id: agentNameSchema
    .optional()
    .describe('The candidate to promote. Default: the one that was ranked first.'),
  none: z.boolean().optional().describe('true: promotes none, and removes all candidates.'),
});
const output = z.object({
  agent_id: z.string(),
  promoted: z.string().optional(),
  commits: z
    .array(z.object({ id: z.string(), ref: z.string(), branch: z.string().optional() }))
    .describe('The commits of the candidate, in the repository of the agent.'),
  removed: z.array(z.string()).describe('Candidates that were removed.'),
  kept: z.array(z.string()).describe('Candidates that are busy or pinned.'),
});

export const promoteTool = (views: CallerViews) =>
  defineTool({
    name: 'promote_candidate',
    title: 'Promote a candidate',
    description:
      'Merges the files and the conversation of one candidate into the agent that was called, and removes all candidates; use it after an implement call with candidates. On a merge conflict the call fails with promotion_conflict and removes nothing.',
    annotations: WRITE,
    input,
    output,
    async run({ turn_id, agent_id, none }, { principal }) {
      const choice = { turnId: turn_id, candidate: agent_id, none };
      const { agent, commits, ...done } = await views.candidates(principal).promote(choice);
      return {
        agent_id: agent,
        ...done,
        commits: commits.map(({ id, ref, branch }) => ({ id, ref, ...(branch && { branch }) })),
      };
    },
  });
