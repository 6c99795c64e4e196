import type { ThreadRecord } from './thread.ts';

/** Of each agent so many conversations are known; those that were not used for longest are forgotten. */
export const THREADS_KEPT = 1000;

/** AgentThreads that agents have besides their own ones. */
export interface ThreadStore {
  get(threadId: string): ThreadRecord | undefined;
  /** Of an agent, or of all, the last used first. */
  list(options: { agentId?: string; limit: number }): ThreadRecord[];
  /** Inserts or replaces. */
  put(thread: ThreadRecord): void;
  setToldInstructions(threadId: string, instructions: string | undefined): void;
  touch(threadId: string, usedAt: Date): void;
}
