import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerRuntime, ContainerSummary } from '../../runtime/container-runtime.ts';

/** An engine says of a container that was killed that it runs, until it has cleared up behind it. */
const LOOKS = 10;
const LOOK_AGAIN_MS = 200;

/** How a container is whose connections broke, once its engine had the time to notice its end. */
export async function containerAfterBreak(
  runtime: Pick<ContainerRuntime, 'inspect'>,
  agentId: string,
): Promise<ContainerSummary | undefined> {
  let container = await runtime.inspect(agentId);
  for (let look = 1; look < LOOKS; look++) {
    if (container?.state !== 'running' || container.outOfMemory) break;
    await sleep(LOOK_AGAIN_MS);
    container = await runtime.inspect(agentId);
  }
  return container;
}
