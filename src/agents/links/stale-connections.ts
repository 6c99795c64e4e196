import type { Logger } from 'pino';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';

/** By words of their command lines; see ContainerLayout and workspace.sh. Tunnels see to each other. */
const SCRIPT = `for dir in /proc/[0-9]*; do
  pid=\${dir#/proc/}
  [ "$pid" = $$ ] && continue
  case $(tr '\\0' ' ' 2>/dev/null <"$dir/cmdline") in
    *'app-server proxy'*|*'Runs in the container for as long as'*) kill -9 "$pid" ;;
  esac
done 2>/dev/null`;

/**
 * Ends what earlier links left in a container that runs on. Their programs end with their standard
 * input, but that of an engine that was killed and kept its containers never ends: Codex would go on
 * to tell a client everything that reads no more.
 */
export async function endStaleConnections(
  runtime: ContainerRuntime,
  agentId: string,
  log: Logger,
): Promise<void> {
  if (!runtime.confines) return;
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
