import { randomUUID } from 'node:crypto';
import type { CommandEnd, CommandOptions } from './codex-client.ts';
import type { JsonRpcConnection } from './connection/json-rpc.ts';
import { commandExecReply, emptyReply } from './protocol.ts';
import { commandExecParams } from './requests.ts';

/** Codex replies after it has killed the program and stopped waiting for output that daemons hold open. */
const TERMINATION_MS = 10_000;

/** Runs a program by `command/exec`. `signal` terminates the program; this waits for its end in any case. */
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
    { timeoutMs: options.timeoutMs + TERMINATION_MS },
  );
  const terminate = () => {
    // Codex refuses it if the program has ended.
    rpc.request('command/exec/terminate', { processId }, emptyReply).catch(() => undefined);
  };
  signal.addEventListener('abort', terminate, { once: true });
  try {
    return await running;
  } finally {
    signal.removeEventListener('abort', terminate);
  }
}
