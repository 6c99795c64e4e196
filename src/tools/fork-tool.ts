import { z } from 'zod';
import type { CallerViews } from '../callers/caller-views.ts';
import { ownNameSchema } from '../identity/agent-id.ts';
import { UPDATE } from './annotations.ts';
import { optionalAgentName } from './arguments.ts';
import { defineTool } from './tool.ts';

const input = z.strictObject({
  agent_id: optionalAgentName,
  new_agent_id: ownNameSchema
    .optional()
    .describe('The id of the copy, which no agent may have yet. Default: a generated id.'),
});
const output = z.object({
  agent_id: z.string().describe('The copy. Pass it to any tool that works.'),
  forked_from: z.string(),
});

export const forkTool = (views: CallerViews) =>
  defineTool({
    name: 'fork_agent',
    title: 'Fork an agent',
    description:
      'Copies an agent with its workspace and conversation to a new agent; use it to try something without touching the original, or to try several things in parallel. The call fails with agent_busy while the agent works.',
    annotations: UPDATE,
    input,
    output,
    async run({ agent_id, new_agent_id }, { principal, defaultAgentName, signal, progress }) {
      const source = agent_id ?? defaultAgentName;
      progress(`Copying agent ${source}`);
      const copy = await views.workspaces(principal).fork(source, new_agent_id, signal);
      return { agent_id: copy, forked_from: source };
    },
  });
