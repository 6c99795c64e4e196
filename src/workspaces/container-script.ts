import type { ContainerRuntime, ExecOptions } from '../runtime/container-runtime.ts';
import { lastWords } from '../runtime/stderr-tail.ts';

/** The container may write anything. */
const OUTPUT_KEPT = 256 * 1024;
/** Others in the container can stop a program, so that it never ends. */
const LIMIT_MS = 3_600_000;
const ENDING_MS = 10_000;

export type ScriptEnd = { exitCode: number | undefined; complaint: string; output: string };

/**
 * Runs a program in a container to its end; of what it says on standard output the beginning is kept. Its
 * standard input stays open until then, or until `signal`: it is to end then, and gets a while for that.
 */
export async function runScript(
  runtime: ContainerRuntime,
  agentId: string,
  command: readonly string[],
  options: ExecOptions,
  signal?: AbortSignal,
): Promise<ScriptEnd> {
  const process = await runtime.exec(agentId, command, options);
  const over = Promise.withResolvers<undefined>();
  let patience = setTimeout(() => over.resolve(undefined), LIMIT_MS);
  const end = () => {
    process.stdio.destroy();
    clearTimeout(patience);
    patience = setTimeout(() => over.resolve(undefined), ENDING_MS);
  };
  const complaint = lastWords(process.stderr);
  const output: Buffer[] = [];
  let kept = 0;
  process.stdio
    .on('error', () => undefined)
    .on('data', (chunk: Buffer) => {
      if (kept < OUTPUT_KEPT) output.push(chunk.subarray(0, OUTPUT_KEPT - kept));
      kept += chunk.length;
    });
  signal?.addEventListener('abort', end);
  if (signal?.aborted) end();
  try {
    const exitCode = await Promise.race([process.exited, over.promise]);
    return { exitCode, complaint: complaint(), output: Buffer.concat(output).toString() };
  } finally {
    signal?.removeEventListener('abort', end);
    process.stdio.destroy();
    clearTimeout(patience);
  }
}
