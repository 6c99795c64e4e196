import type { Logger } from 'pino';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';

/**
 * Matches the command lines of ContainerLayout, workspace.sh and place.cjs. A new tunnel ends the old one
 * itself. Without containers, the processes of an agent are marked by a variable.
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
 * Kills the programs of earlier links in a running container. At the end of their standard input they would
 * first complete their command, which the next link repeats. After an engine was killed with its containers
 * alive, their input never ends.
 */
export async function endStaleConnections(
  runtime: ContainerRuntime,
  agentId: AgentId,
  log: Logger,
): Promise<void> {
  try {
    const child = await runtime.exec(agentId, ['sh', '-c', SCRIPT]);
    child.stdio.resume().end();
    child.stderr.resume();
    await child.exited;
  } catch (error) {
    // If the reason matters, the new link fails with it too.
    log.debug({ err: error, agentId }, 'Stale connections could not be ended');
  }
}
