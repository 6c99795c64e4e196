import type { AgentRecord } from './agent.ts';
import type { AgentSettings } from './threads/agent-settings.ts';

export interface AgentStore {
  get(agentId: string): AgentRecord | undefined;
  /** The agent with this main thread. */
  findByThread(threadId: string): AgentRecord | undefined;
  /** Ordered by last use, the latest first. */
  list(): AgentRecord[];
  /** Of one principal, or of all. */
  count(owner?: string): number;
  /** Inserts, or updates all fields except owner, settings, source, workspace path and told instructions. */
  put(agent: AgentRecord): void;
  setSettings(agentId: string, settings: AgentSettings): void;
  /** Sets the main thread, with the digest of the instructions that the thread has. */
  setThread(agentId: string, threadId: string, toldInstructions?: string): void;
  /** Sets the digest of the instructions that the thread of `forkOf` has. */
  setToldInstructions(agentId: string, instructions: string | undefined): void;
  touch(agentId: string, usedAt: Date): void;
  setPinned(agentId: string, pinned: boolean): void;
  setSource(agentId: string, digest: string): void;
  /** To be called before the agent has a workspace. */
  setWorkspacePath(agentId: string, path: string): void;
  setArchived(agentId: string, archived: boolean): void;
  /** Removes an agent with its threads and turns. */
  remove(agentId: string): void;
}
