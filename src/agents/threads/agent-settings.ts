import type { REASONING_EFFORTS } from './thread.ts';

/** Settings of all threads of an agent; absent ones have the default of all agents. */
export type AgentSettings = {
  /** Like an AGENTS.md, but not in a file of the container, so the agent cannot change it. */
  instructions?: string;
  /** Replaces Codex's own instructions. */
  baseInstructions?: string;
  /** Default of turns whose caller and thread set none, as `effort`. */
  model?: string;
  effort?: (typeof REASONING_EFFORTS)[number];
  /** Names in the operator's list of MCP servers. */
  mcpServers?: readonly string[];
};

/** Absent or undefined: unchanged; null: unset. */
export type SettingsChange = {
  [Name in keyof AgentSettings]?: AgentSettings[Name] | null | undefined;
};

export function changedSettings(settings: AgentSettings, change: SettingsChange): AgentSettings {
  const given = Object.entries(change).filter(([, value]) => value !== undefined);
  const merged = { ...settings, ...Object.fromEntries(given) };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}
