import { z } from 'zod';
import type { AgentSettings, SettingsChange } from './agent-settings.ts';
import { REASONING_EFFORTS } from './thread.ts';

const MAX_SERVERS = 20;

export const settingsInput = {
  instructions: z
    .string()
    .min(1)
    .nullish()
    .describe(
      'Instructions for all conversations of the agent, as in an AGENTS.md. null removes them.',
    ),
  base_instructions: z
    .string()
    .min(1)
    .nullish()
    .describe(
      "Replaces Codex's own instructions. null restores those in conversations that begin later.",
    ),
  model: z.string().min(1).max(100).nullish().describe('The model of turns that name none.'),
  reasoning_effort: z
    .enum(REASONING_EFFORTS)
    .nullish()
    .describe('The reasoning effort of turns that name none.'),
  mcp_servers: z
    .array(z.string().min(1).max(32))
    .max(MAX_SERVERS)
    .nullish()
    .describe("Names of MCP servers, from the server's list, that Codex may use."),
};
const settingsBody = z.strictObject(settingsInput);
export type SettingsInput = z.output<typeof settingsBody>;

export function changeOf(given: SettingsInput): SettingsChange {
  return {
    instructions: given.instructions,
    baseInstructions: given.base_instructions,
    model: given.model,
    effort: given.reasoning_effort,
    mcpServers: given.mcp_servers,
  };
}

/** null: the default of all agents. */
export const settingsOutput = {
  instructions: z.string().nullable(),
  base_instructions: z.string().nullable(),
  model: z.string().nullable(),
  reasoning_effort: z.enum(REASONING_EFFORTS).nullable(),
  mcp_servers: z.array(z.string()),
};

export function settingsData(settings: AgentSettings) {
  return {
    instructions: settings.instructions ?? null,
    base_instructions: settings.baseInstructions ?? null,
    model: settings.model ?? null,
    reasoning_effort: settings.effort ?? null,
    mcp_servers: [...(settings.mcpServers ?? [])],
  };
}
