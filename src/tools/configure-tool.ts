import { z } from 'zod';
import {
  changeOf,
  settingsData,
  settingsInput,
  settingsOutput,
} from '../agents/threads/agent-settings-data.ts';
import type { CallerViews } from '../callers/caller-views.ts';
import { UPDATE } from './annotations.ts';
import { agentName } from './arguments.ts';
import { defineTool } from './tool.ts';

const input = z.strictObject({ agent_id: agentName, ...settingsInput });
const output = z.object({ agent_id: z.string(), ...settingsOutput });

export const configureTool = (views: CallerViews) =>
  defineTool({
    name: 'configure_agent',
    title: 'Configure an agent',
    description:
      'Sets the instructions, model, reasoning effort and MCP servers of an agent; use it for what every later turn of the agent has to follow. An argument that is left out keeps its setting, and null removes it. An agent that does not exist yet is created. Returns all settings.',
    annotations: UPDATE,
    input,
    output,
    async run({ agent_id, ...given }, { principal }) {
      const { agentName: name, settings } = views
        .settings(principal)
        .change(agent_id, changeOf(given));
      return { agent_id: name, ...settingsData(settings) };
    },
  });
