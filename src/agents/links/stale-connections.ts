import type { Logger } from 'pino';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';

/**
 * By words of their command lines; see ContainerLayout, workspace.sh and place.cjs. Tunnels see to each
 * other. Where agents are processes of one machine, those of an agent carry a variable.
 */
const SCRIPT = `own() {
  [ -z "\${CODEX_MCP_AGENT:-}" ] ||
    tr '\\0' '\\n' <"$1/environ" | grep -qx "CODEX_MCP_AGENT=$CODEX_MCP_AGENT"
}
for dir in /proc/[0-9]*; do
  pid=\${dir#/proc/}
  [ "$pid" = $$ ] && continue
  case $(tr '\\0' ' ' 2>/dev/null <"$dir/cmdline") in
    *'app-server proxy'*|*'Runs in the container for as long as'*|*'Runs in the container: moves'*)
      own "$dir" && kill -9 "$pid" ;;
  esac
done 2>/dev/null`;

/**
 * Ends what earlier links left in a container that runs on. Their programs end with their standard
 * input, but not before they have done what they are at, which whoever comes next does as well; and
 * the input of an engine that was killed and kept its containers never ends.
 */
export async function endStaleConnections(
  runtime: ContainerRuntime,
  agentId: string,
  log: Logger,
): Promise<void> {
  try {
    const child = await runtime.exec(agentId, ['sh', '-c', SCRIPT]);
    child.stdio.resume().end();
    child.stderr.resume();
    await child.exited;
  } catch (error) {
    // If it matters, opening the new link fails too, and says why.
    log.debug({ err: error, agentId }, 'Stale connections were not looked for');
  }
}
