import pTimeout from 'p-timeout';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentId } from '../identity/agent-id.ts';

/** How long interrupted work gets to end by itself. */
const SETTLE_MS = 3_000;

/**
 * Waits for interrupted work to settle, then stops the container, in any case: commands outlive an
 * interrupt, and some outlive Codex.
 */
export async function haltAfter(
  work: Promise<unknown>,
  agents: Pick<AgentManager, 'halt'>,
  agentId: AgentId,
): Promise<void> {
  await pTimeout(work, { milliseconds: SETTLE_MS }).catch(() => undefined);
  await agents.halt(agentId);
}
