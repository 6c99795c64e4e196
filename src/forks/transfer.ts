import { pipeline } from 'node:stream/promises';
import { AppError } from '../errors.ts';
import type { ContainerProcess } from '../runtime/container-runtime.ts';
import type { Workspace } from '../workspaces/workspace.ts';

const STDERR_KEPT = 2000;

const GIT = 'git -c core.fsmonitor=false -c core.hooksPath=/dev/null';
/** What the commits named need that a commit of the other side does not have, if that is known here. */
const PACK = `cd "$WORKSPACE" && {
  printf '%s\\n' "$@"
  if [ -n "$KNOWN" ] && ${GIT} cat-file -e "$KNOWN" 2>/dev/null; then echo "^$KNOWN"; fi
} | ${GIT} pack-objects --revs --stdout -q`;
const UNPACK = `cd "$WORKSPACE" && exec ${GIT} index-pack --stdin >/dev/null`;

/** A conversation is one file, whose name ends with its id. */
const GIVE_CONVERSATION = `cd "$CODEX_HOME/sessions" && find . -type f -name "*$THREAD.jsonl" | tar -cf - -T -`;
const TAKE_CONVERSATION =
  'mkdir -p "$CODEX_HOME/sessions" && exec tar -C "$CODEX_HOME/sessions" -xf -';

type Ends = { from: Workspace; to: Workspace; signal: AbortSignal };

/** Gives the repository of one workspace commits of another. Throws `copy_failed` or why the signal was aborted. */
export function transferCommits(ends: Ends, ids: readonly string[], known = ''): Promise<void> {
  return transfer(ends, ['sh', '-c', PACK, 'sh', ...ids], ['sh', '-c', UNPACK], { KNOWN: known });
}

/** Gives one agent a conversation of another. Throws as above. */
export function transferConversation(ends: Ends, threadId: string): Promise<void> {
  const give = ['sh', '-c', GIVE_CONVERSATION];
  return transfer(ends, give, ['sh', '-c', TAKE_CONVERSATION], { THREAD: threadId });
}

/** Connects the output of a program in one container with the input of one in another. */
async function transfer(
  { from, to, signal }: Ends,
  give: readonly string[],
  take: readonly string[],
  env: Record<string, string>,
): Promise<void> {
  const giver = await from.exec(give, env);
  const taker = await to.exec(take, env);
  const complaints = [giver, taker].map(lastWords);
  taker.stdio.resume();
  try {
    await pipeline(giver.stdio, taker.stdio, { signal });
    const statuses = await Promise.all([giver.exited, taker.exited]);
    if (statuses.every((status) => status === 0)) return;
    throw new Error(complaints.map((said) => said()).join('\n'));
  } catch (cause) {
    signal.throwIfAborted();
    throw new AppError('copy_failed', 'The work of the candidate could not be copied.', { cause });
  } finally {
    giver.stdio.destroy();
    taker.stdio.destroy();
  }
}

function lastWords({ stderr }: ContainerProcess): () => string {
  let said = '';
  stderr.on('data', (chunk) => {
    said = (said + chunk).slice(-STDERR_KEPT);
  });
  return () => said.trim();
}
