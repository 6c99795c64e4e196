import type { AgentId } from '../identity/agent-id.ts';
import type { AgentRecord } from './agent.ts';
import type { AgentSettings } from './threads/agent-settings.ts';

export interface AgentStore {
  get(agentId: AgentId): AgentRecord | undefined;
  /** The agent with this main thread. */
  findByThread(threadId: string): AgentRecord | undefined;
  /** Ordered by last use, the latest first. */
  list(): AgentRecord[];
  /** Of one principal, or of all. */
  count(owner?: string): number;
  /** Inserts, or updates all fields except owner, settings, source, workspace path and told instructions. */
  put(agent: AgentRecord): void;
  setSettings(agentId: AgentId, settings: AgentSettings): void;
  /** Sets the main thread, with the digest of the instructions that the thread has. */
  setThread(agentId: AgentId, threadId: string, toldInstructions?: string): void;
  /** Sets the digest of the instructions that the thread of `forkOf` has. */
  setToldInstructions(agentId: AgentId, instructions: string | undefined): void;
  touch(agentId: AgentId, usedAt: Date): void;
  setPinned(agentId: AgentId, pinned: boolean): void;
  setSource(agentId: AgentId, digest: string): void;
  /** To be called before the agent has a workspace. */
  setWorkspacePath(agentId: AgentId, path: string): void;
  setArchived(agentId: AgentId, archived: boolean): void;
  /** Removes an agent with its threads and turns. */
  remove(agentId: AgentId): void;
}
