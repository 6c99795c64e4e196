import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentManager } from '../agents/agent-manager.ts';

/** How long interrupted work gets to end by itself. */
const SETTLE_MS = 3_000;

/**
 * Waits for interrupted work to settle, then stops the container, in any case: commands outlive an
 * interrupt, and some outlive Codex.
 */
export async function haltAfter(
  work: Promise<unknown>,
  agents: Pick<AgentManager, 'halt'>,
  agentId: string,
): Promise<void> {
  const settled = work.catch(() => undefined);
  await Promise.race([settled, sleep(SETTLE_MS, undefined, { ref: false })]);
  await agents.halt(agentId);
}
