import type { AgentId } from '../identity/agent-id.ts';
import type { ContainerRuntime, ExecOptions } from '../runtime/container-runtime.ts';
import { stderrTail } from '../runtime/stderr-tail.ts';

/** The container may write any amount. */
const STDOUT_KEPT = 256 * 1024;
/** Other processes of the container can freeze the script. */
const LIMIT_MS = 3_600_000;
const ABORT_LIMIT_MS = 10_000;

export type ScriptResult = { exitCode: number | undefined; stderr: string; stdout: string };

/**
 * Runs a program in a container to its end, and keeps the start of its standard output. Standard input
 * stays open until the end or `signal`; after `signal` the program has 10 s to exit.
 */
export async function runScript(
  runtime: ContainerRuntime,
  agentId: AgentId,
  command: readonly string[],
  options: ExecOptions,
  signal?: AbortSignal,
): Promise<ScriptResult> {
  const process = await runtime.exec(agentId, command, options);
  const timeout = Promise.withResolvers<undefined>();
  let timer = setTimeout(() => timeout.resolve(undefined), LIMIT_MS);
  const abort = () => {
    process.stdio.destroy();
    clearTimeout(timer);
    timer = setTimeout(() => timeout.resolve(undefined), ABORT_LIMIT_MS);
  };
  const stderr = stderrTail(process.stderr);
  const stdout: Buffer[] = [];
  let kept = 0;
  process.stdio
    .on('error', () => undefined)
    .on('data', (chunk: Buffer) => {
      if (kept < STDOUT_KEPT) stdout.push(chunk.subarray(0, STDOUT_KEPT - kept));
      kept += chunk.length;
    });
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  try {
    const exitCode = await Promise.race([process.exited, timeout.promise]);
    return { exitCode, stderr: stderr(), stdout: Buffer.concat(stdout).toString() };
  } finally {
    signal?.removeEventListener('abort', abort);
    process.stdio.destroy();
    clearTimeout(timer);
  }
}
