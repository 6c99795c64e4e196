import type { AgentRecord } from './agent.ts';
import type { AgentSettings } from './threads/agent-settings.ts';

export interface AgentStore {
  get(agentId: string): AgentRecord | undefined;
  /** The agent whose own conversation it is. */
  findByThread(threadId: string): AgentRecord | undefined;
  /** The last used first. */
  list(): AgentRecord[];
  /** All, or those of one principal. */
  count(owner?: string): number;
  /** Inserts, or replaces all but whose it is, its settings, its source or path, and what it was told. */
  put(agent: AgentRecord): void;
  setSettings(agentId: string, settings: AgentSettings): void;
  /** Gives an agent a conversation of its own, and says which instructions that was told. */
  setThread(agentId: string, threadId: string, toldInstructions?: string): void;
  /** Says which instructions the conversation was told that the agent goes on from. */
  setToldInstructions(agentId: string, instructions: string | undefined): void;
  touch(agentId: string, usedAt: Date): void;
  setPinned(agentId: string, pinned: boolean): void;
  setSource(agentId: string, digest: string): void;
  /** Says which directory of the machine is its workspace; to be done before it has another. */
  setWorkspacePath(agentId: string, path: string): void;
  setArchived(agentId: string, archived: boolean): void;
  /** Forgets an agent, its conversations and its turns. Nothing if it is gone. */
  remove(agentId: string): void;
}
