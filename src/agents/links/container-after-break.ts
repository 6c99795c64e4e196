import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerRuntime, ContainerSummary } from '../../runtime/container-runtime.ts';

/** An engine reports a killed container as running until its cleanup is complete. */
const POLLS = 10;
const POLL_MS = 200;

/** Inspects a container after a broken connection, and waits for the engine to notice its end. */
export async function containerAfterBreak(
  runtime: Pick<ContainerRuntime, 'inspect'>,
  agentId: AgentId,
): Promise<ContainerSummary | undefined> {
  let container = await runtime.inspect(agentId);
  for (let poll = 1; poll < POLLS; poll++) {
    if (container?.state !== 'running' || container.outOfMemory) break;
    await sleep(POLL_MS);
    container = await runtime.inspect(agentId);
  }
  return container;
}
