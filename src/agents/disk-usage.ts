import pTimeout from 'p-timeout';
import type { AgentId } from '../identity/agent-id.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import { readAtMost } from '../runtime/read-at-most.ts';

const LIMIT_SECONDS = 5;
const KIBIBYTE = 1024;
/** Two lines are expected. */
const OUTPUT_BYTES = 64 * 1024;
/** Uses `timeout` if available, since a closed exec would keep running. */
const MEASURE = `seconds=$1; shift
set -- nice -n 19 du -skx -- "$@"
command -v timeout >/dev/null && set -- timeout "$seconds" "$@"
exec "$@" 2>/dev/null`;

export type DiskUsage = { workspaceBytes: number; homeBytes: number };

/** Size of the files of an awake agent; undefined after the time limit. */
export async function measureDisk(
  runtime: ContainerRuntime,
  agentId: AgentId,
  limitSeconds = LIMIT_SECONDS,
): Promise<DiskUsage | undefined> {
  try {
    const { workspace, home } = runtime.layout(agentId);
    const command = ['sh', '-c', MEASURE, 'du', String(limitSeconds), workspace, home];
    const child = await runtime.exec(agentId, command);
    child.stderr.resume();
    child.stdio.end();
    const output = await pTimeout(readAtMost(child.stdio, OUTPUT_BYTES), {
      milliseconds: limitSeconds * 1000,
      message: false,
    });
    child.stdio.destroy();
    return parse(String(output ?? ''));
  } catch {
    // The agent was stopped or paused meanwhile.
    return undefined;
  }
}

function parse(output: string): DiskUsage | undefined {
  const [workspace, home] = [...output.matchAll(/^(\d+)\s/gm)].map(([, kibibytes]) =>
    Number(kibibytes),
  );
  if (workspace === undefined || home === undefined) return undefined;
  return { workspaceBytes: workspace * KIBIBYTE, homeBytes: home * KIBIBYTE };
}
