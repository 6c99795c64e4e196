import { once } from 'node:events';
import { AppError } from '../../errors.ts';
import type { ContainerProcess } from '../../runtime/container-runtime.ts';
import { stderrTail } from '../../runtime/stderr-tail.ts';
import type { Workspace } from '../../workspaces/workspace.ts';

const GIT = 'git -c core.fsmonitor=false -c core.hooksPath=/dev/null';
/** Packs the named commits without what the commit `$KNOWN` of the other side holds. */
const PACK = `cd "$WORKSPACE" && {
  printf '%s\\n' "$@"
  if [ -n "$KNOWN" ] && ${GIT} cat-file -e "$KNOWN" 2>/dev/null; then echo "^$KNOWN"; fi
} | ${GIT} pack-objects --revs --stdout -q`;
const UNPACK = `cd "$WORKSPACE" && exec ${GIT} index-pack --stdin >/dev/null`;

/** The file name of a conversation ends with its id. tar exits with 1 where Codex appends a line meanwhile. */
const GIVE_CONVERSATION = `cd "$CODEX_HOME/sessions" && {
  find . -type f -name "*$THREAD.jsonl" | tar -cf - -T - || [ $? = 1 ]
}`;
const TAKE_CONVERSATION =
  'mkdir -p "$CODEX_HOME/sessions" && exec tar -C "$CODEX_HOME/sessions" -xf -';

type Ends = { from: Workspace; to: Workspace; signal: AbortSignal };

/** Copies commits to the repository of another workspace. Throws `copy_failed`, for an aborted signal too. */
export function transferCommits(ends: Ends, ids: readonly string[], known = ''): Promise<void> {
  return transfer(ends, ['sh', '-c', PACK, 'sh', ...ids], ['sh', '-c', UNPACK], { KNOWN: known });
}

/** Copies a conversation to another agent. Throws like `transferCommits`. */
export function transferConversation(ends: Ends, threadId: string): Promise<void> {
  const give = ['sh', '-c', GIVE_CONVERSATION];
  return transfer(ends, give, ['sh', '-c', TAKE_CONVERSATION], { THREAD: threadId });
}

/** Pipes the output of a program in one container into a program in another. */
async function transfer(
  { from, to, signal }: Ends,
  give: readonly string[],
  take: readonly string[],
  env: Record<string, string>,
): Promise<void> {
  const giver = await from.exec(give, env);
  const taker = await to.exec(take, env);
  const tails = [giver, taker].map(({ stderr }) => stderrTail(stderr));
  taker.stdio.resume();
  try {
    await pump(giver, taker, signal);
    const statuses = await Promise.all([giver.exited, taker.exited]);
    if (statuses.every((status) => status === 0)) return;
    throw new Error(tails.map((tail) => tail()).join('\n'));
  } catch (cause) {
    throw new AppError('copy_failed', 'The work of the candidate could not be copied.', { cause });
  } finally {
    giver.stdio.destroy();
    taker.stdio.destroy();
  }
}

/** The receiver may exit before it has read the last byte; its status tells whether it succeeded. */
async function pump(
  { stdio: from }: ContainerProcess,
  { stdio: to, exited }: ContainerProcess,
  signal: AbortSignal,
): Promise<void> {
  const stop = () => from.destroy();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  to.on('error', () => undefined);
  try {
    for await (const chunk of from) {
      if (to.writable && !to.write(chunk)) await Promise.race([once(to, 'drain'), exited]);
    }
    if (to.writable) to.end();
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
