import type { Checkpoint } from '../../workspaces/checkpoint.ts';
import type { DiffBounds } from '../../workspaces/file-change.ts';
import type { Workspace } from '../../workspaces/workspace.ts';
import { type TurnFiles, UNTOUCHED } from '../turn-kind.ts';
import type { CheckRound } from './check.ts';

const IN_GIT = '.git/';
const WRITTEN_LISTED = 100;

/**
 * Returns what Codex changed as `files`, and what only checks changed as `written`. A file that Codex
 * touched in any round counts as Codex's, with all its changes until the last check.
 */
export async function filesOfRounds(
  workspace: Workspace,
  start: Checkpoint,
  rounds: readonly CheckRound[],
  bounds: DiffBounds,
): Promise<{ files: TurnFiles; written: string[] }> {
  const byCodex = new Set<string>();
  const byChecks = new Set<string>();
  let last = { before: start, after: start };
  for (const round of rounds) {
    await addPaths(workspace, byCodex, last.after, round.before);
    await addPaths(workspace, byChecks, round.before, round.after);
    last = round;
  }
  const hidden = [...byChecks].filter((path) => !byCodex.has(path));
  const among = hidden.length > 0 ? byCodex : undefined;
  const changes = await workspace.changesBetween(start, last.before, bounds, among);
  const written = await thatDiffer(workspace, hidden, start, last.after);
  return { files: { ...UNTOUCHED, ...changes }, written };
}

async function addPaths(
  workspace: Workspace,
  paths: Set<string>,
  from: Checkpoint,
  to: Checkpoint,
): Promise<void> {
  for (const path of await workspace.pathsChangedBetween(from, to)) {
    if (!path.startsWith(IN_GIT)) paths.add(path);
  }
}

async function thatDiffer(
  workspace: Workspace,
  paths: readonly string[],
  from: Checkpoint,
  to: Checkpoint,
): Promise<string[]> {
  if (paths.length === 0) return [];
  const differ = new Set(await workspace.pathsChangedBetween(from, to));
  const left = paths.filter((path) => differ.has(path));
  const more = left.length - WRITTEN_LISTED;
  return more > 0 ? [...left.slice(0, WRITTEN_LISTED), `… and ${more} more`] : left;
}
