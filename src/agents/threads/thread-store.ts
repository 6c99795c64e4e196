import type { AgentId } from '../../identity/agent-id.ts';
import type { ThreadRecord } from './thread.ts';

/** Maximum per agent; the least recently used ones are removed. */
export const THREADS_KEPT = 1000;

/** The threads of agents besides their main threads. */
export interface ThreadStore {
  get(threadId: string): ThreadRecord | undefined;
  /** Ordered by last use, the latest first. */
  list(options: { agentId?: AgentId; limit: number }): ThreadRecord[];
  /** Inserts or replaces. */
  put(thread: ThreadRecord): void;
  setToldInstructions(threadId: string, instructions: string | undefined): void;
  touch(threadId: string, usedAt: Date): void;
}
