import { setImmediate } from 'node:timers/promises';
import pTimeout from 'p-timeout';
import { isSilence } from '../../codex/connection/heartbeat.ts';
import { AppError } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import type { AgentLink } from './agent-link.ts';
import { containerAfterBreak } from './container-after-break.ts';

/** The connections to a stopped container break one after another. */
const ENDING_MS = 200;

/** The connection broke, but the turn can be joined: it continues, or has not begun. */
export class ConnectionLost extends AppError {}

/** The error of a turn whose connection broke, by the state of the container. */
export async function explainBrokenTurn(
  runtime: Pick<ContainerRuntime, 'inspect'>,
  agentId: AgentId,
  { begun, cause }: { begun: boolean; cause: unknown },
): Promise<AppError> {
  try {
    const container = await (isSilence(cause)
      ? runtime.inspect(agentId)
      : containerAfterBreak(runtime, agentId));
    if (container?.outOfMemory) {
      return new AppError(
        'out_of_memory',
        'The agent exceeded its memory limit (`CONTAINER_MEMORY_LIMIT`).',
        { cause },
      );
    }
    // The turn continues when a frozen container is resumed.
    if (container?.state === 'running' || container?.state === 'paused') {
      const message = 'The connection to Codex broke during the turn.';
      return new ConnectionLost('codex_failed', message, { cause });
    }
    const message = 'The container of the agent stopped during the turn.';
    if (!begun) return new ConnectionLost('container_lost', message, { cause });
    return new AppError('container_lost', message, { cause });
  } catch (error) {
    if (isUnreachable(error)) return new ConnectionLost(error.code, error.message, { cause });
    return error instanceof AppError ? error : new AppError('internal', String(error), { cause });
  }
}

/** Whether the engine does not answer, so that the state of containers is unknown. */
export function isUnreachable(error: unknown): error is AppError {
  return error instanceof AppError && error.code === 'engine_unreachable';
}

/** Whether the connection to Codex has ended. */
export function lostConnection({ codex }: AgentLink): Promise<boolean> {
  return Promise.race([codex.closed.then(() => true), setImmediate(false)]);
}

/** Whether the connection to Codex ends within a moment, after another connection has. */
export function losesConnection({ codex }: AgentLink): Promise<boolean> {
  const closed = codex.closed.then(() => true);
  return pTimeout(closed, { milliseconds: ENDING_MS, fallback: () => false });
}
