import { randomUUID } from 'node:crypto';
import type { CommandEnd, CommandOptions } from './codex-client.ts';
import type { JsonRpcConnection } from './connection/json-rpc.ts';
import { commandExecReply, emptyReply } from './protocol.ts';
import { commandExecParams } from './requests.ts';

/** Codex answers once it has killed what is late, and given up on output that others hold open. */
const ENDING_MS = 10_000;

/** Runs a program by `command/exec`. At `signal` it is ended; its end is waited for even then. */
export async function runSandboxed(
  rpc: JsonRpcConnection,
  options: CommandOptions,
  signal: AbortSignal,
): Promise<CommandEnd> {
  signal.throwIfAborted();
  const processId = randomUUID();
  const running = rpc.request(
    'command/exec',
    commandExecParams(options, processId),
    commandExecReply,
    { timeoutMs: options.timeoutMs + ENDING_MS },
  );
  const terminate = () => {
    // It is refused if the program has ended meanwhile.
    rpc.request('command/exec/terminate', { processId }, emptyReply).catch(() => undefined);
  };
  signal.addEventListener('abort', terminate, { once: true });
  try {
    return await running;
  } finally {
    signal.removeEventListener('abort', terminate);
  }
}
