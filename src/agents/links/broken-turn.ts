import { setImmediate } from 'node:timers/promises';
import pTimeout from 'p-timeout';
import { isSilence } from '../../codex/connection/heartbeat.ts';
import { AppError } from '../../errors.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import type { AgentLink } from './agent-link.ts';
import { containerAfterBreak } from './container-after-break.ts';

/** The connections of a container that ends break one after another. */
const ENDING_MS = 200;

/** Why there is no connection to an agent whose turn goes on without it, or never began: it can be joined. */
export class ConnectionLost extends AppError {}

/** Says why the connection to an agent broke before Codex had begun with a turn, or in the middle of it. */
export async function explainBrokenTurn(
  runtime: Pick<ContainerRuntime, 'inspect'>,
  agentId: string,
  { begun, cause }: { begun: boolean; cause: unknown },
): Promise<AppError> {
  try {
    const container = await (isSilence(cause)
      ? runtime.inspect(agentId)
      : containerAfterBreak(runtime, agentId));
    if (container?.outOfMemory) {
      return new AppError('out_of_memory', 'The agent used all the memory it may.', { cause });
    }
    // One that was frozen goes on where it was.
    if (container?.state === 'running' || container?.state === 'paused') {
      const message = 'The connection to Codex broke in the turn.';
      return new ConnectionLost('codex_failed', message, { cause });
    }
    const message = 'The container of the agent ended in the turn.';
    if (!begun) return new ConnectionLost('container_lost', message, { cause });
    return new AppError('container_lost', message, { cause });
  } catch (error) {
    if (isUnreachable(error)) return new ConnectionLost(error.code, error.message, { cause });
    return error instanceof AppError ? error : new AppError('internal', String(error), { cause });
  }
}

/** Whether the engine is away, so that nobody can tell how its containers are. */
export function isUnreachable(error: unknown): error is AppError {
  return error instanceof AppError && error.code === 'engine_unreachable';
}

/** Whether the connection to Codex is over by now. */
export function lostConnection({ codex }: AgentLink): Promise<boolean> {
  return Promise.race([codex.closed.then(() => true), setImmediate(false)]);
}

/** Whether it ends now, when something else in the container has. */
export function losesConnection({ codex }: AgentLink): Promise<boolean> {
  const closed = codex.closed.then(() => true);
  return pTimeout(closed, { milliseconds: ENDING_MS, fallback: () => false });
}
