import { z } from 'zod';
import {
  changeOf,
  settingsData,
  settingsInput,
  settingsOutput,
} from '../agents/threads/agent-settings-data.ts';
import type { Access } from '../callers/access.ts';
import { agentNameSchema } from '../identity/agent-id.ts';
import { SAFE } from './annotations.ts';
import type { Tool } from './tool.ts';

const input = z.strictObject({ agent_id: agentNameSchema, ...settingsInput });
const output = z.object({ agent_id: z.string(), ...settingsOutput });

/** Says what an agent is told and may use, beyond what a call says. */
export function configureTool(access: Access): Tool<typeof input, typeof output> {
  return {
    name: 'configure_agent',
    title: 'Configure an agent',
    description:
      'Sets the instructions, model, reasoning effort and MCP servers of an agent for all its conversations, from the next turn on. What is left out stays as it is; null takes it away. An agent that does not exist yet is begun. Answers all settings.',
    annotations: SAFE,
    input,
    output,
    async run({ agent_id, ...given }, { principal }) {
      const { agentId, settings } = access.settings(principal).change(agent_id, changeOf(given));
      return { agent_id: agentId, ...settingsData(settings) };
    },
  };
}
