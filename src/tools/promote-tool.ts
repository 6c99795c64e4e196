import { z } from 'zod';
import type { Promotion } from '../callers/changes/promotion.ts';
import { agentNameSchema } from '../identity/agent-id.ts';
import { WRITING } from './annotations.ts';
import type { Tool } from './tool.ts';

const input = z.strictObject({
  turn_id: z.string().min(1).max(100).describe('Of the call that had candidates.'),
  agent_id: agentNameSchema
    .optional()
    .describe('The candidate that is taken over. Default: the one that was ranked first.'),
  none: z.boolean().optional().describe('true: none is taken over, and all are removed.'),
});
const output = z.object({
  agent_id: z.string(),
  promoted: z.string().optional(),
  commits: z
    .array(z.object({ id: z.string(), ref: z.string(), branch: z.string().optional() }))
    .describe('What was taken over, in the repository of the agent.'),
  removed: z.array(z.string()).describe('Candidates that are gone.'),
  kept: z.array(z.string()).describe('Candidates that are at work or pinned.'),
});

/** The end of a trial. */
export function promoteTool(promotion: Promotion): Tool<typeof input, typeof output> {
  return {
    name: 'promote_candidate',
    title: 'Promote a candidate',
    description:
      'Takes over what one candidate of an implement call did, its files and its conversation, into the agent that was called, and removes all candidates. Files that changed in the agent since are merged; on a conflict nothing is removed.',
    annotations: { ...WRITING, openWorldHint: false },
    input,
    output,
    async run({ turn_id, agent_id, none }, { principal }) {
      const choice = { turnId: turn_id, candidate: agent_id, none };
      const { agent, commits, ...done } = await promotion.promote(principal, choice);
      return {
        agent_id: agent,
        ...done,
        commits: commits.map(({ id, ref, branch }) => ({ id, ref, ...(branch && { branch }) })),
      };
    },
  };
}
