import type { REASONING_EFFORTS } from './thread.ts';

/** What the owner of an agent has set for all its conversations. What is absent is as for every agent. */
export type AgentSettings = {
  /** What an AGENTS.md says, but out of reach of the agent: no file of its container holds it. */
  instructions?: string;
  /** Takes the place of Codex's own instructions. */
  baseInstructions?: string;
  /** Model and effort of a turn whose caller and conversation name none. */
  model?: string;
  effort?: (typeof REASONING_EFFORTS)[number];
  /** MCP servers that its Codex uses, by their names in the operator's list. */
  mcpServers?: readonly string[];
};

/** What changes; null takes away what was set. */
export type SettingsChange = {
  [Name in keyof AgentSettings]?: AgentSettings[Name] | null | undefined;
};

/** The settings after a change. */
export function changedSettings(settings: AgentSettings, change: SettingsChange): AgentSettings {
  const given = Object.entries(change).filter(([, value]) => value !== undefined);
  const merged = { ...settings, ...Object.fromEntries(given) };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}
