import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Access } from '../callers/access.ts';
import { agentIdSchema, agentNameSchema } from '../identity/agent-id.ts';
import { SAFE } from './annotations.ts';
import type { Tool } from './tool.ts';

const ID_LENGTH = 64;

const input = z.strictObject({
  agent_id: agentNameSchema
    .optional()
    .describe('Which agent is copied. Default: the one of your session.'),
  new_agent_id: agentIdSchema
    .optional()
    .describe('What the copy is called; no agent may have this id. Default: made for you.'),
});
const output = z.object({
  agent_id: z.string().describe('The copy. Pass it to any tool that works.'),
  forked_from: z.string(),
});

/** A second agent that goes on from where one is. */
export function forkTool(access: Access): Tool<typeof input, typeof output> {
  return {
    name: 'fork_agent',
    title: 'Fork an agent',
    description:
      'Copies an agent, its workspace and its conversation, to a new agent: to try something without touching the first, or several things at once. The agent must have nothing to do meanwhile.',
    annotations: SAFE,
    input,
    output,
    async run({ agent_id, new_agent_id }, { principal, defaultAgentId, signal, progress }) {
      const source = agent_id ?? defaultAgentId;
      progress(`Copying agent ${source}`);
      const workspaces = access.workspaces(principal);
      const { agentId } = await workspaces.fork(source, new_agent_id ?? nameOfFork(source), signal);
      return { agent_id: access.agents(principal).nameOf(agentId), forked_from: source };
    },
  };
}

function nameOfFork(source: string): string {
  const mark = `-fork-${randomBytes(4).toString('hex')}`;
  const [name = ''] = source.split('@');
  return `${name.slice(0, ID_LENGTH - mark.length)}${mark}`;
}
