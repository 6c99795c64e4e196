import type { AgentManager } from '../../agents/agent-manager.ts';
import type { AgentLink } from '../../agents/links/agent-link.ts';
import { AppError } from '../../errors.ts';
import type { Checkpoint } from '../../workspaces/checkpoint.ts';
import { diffstat } from '../../workspaces/diffstat.ts';
import { type DiffBounds, FILES_LISTED } from '../../workspaces/file-change.ts';
import type { Workspace } from '../../workspaces/workspace.ts';
import { type TurnFiles, UNTOUCHED } from '../turn-kind.ts';
import type { Recording } from './turn-commits.ts';

/** Never rejects. */
type Record = (
  workspace: Workspace,
  files: { before: Checkpoint; after: Checkpoint },
) => Promise<Recording>;

const UNRECORDED =
  'The disk of the files is full: what changed is there, but could not be listed, and is in no commit.';

/** Tells how the files differ from how they were before the turn, and has that recorded. */
export async function changesOfTurn(
  { workspace }: AgentLink,
  before: Checkpoint,
  { bounds, record }: { bounds: DiffBounds; record: Record },
): Promise<TurnFiles> {
  const after = await workspace.checkpoint();
  const [changed, recording] = await Promise.all([
    workspace.changesBetween(before, after, bounds),
    record(workspace, { before, after }),
  ]);
  return { ...UNTOUCHED, ...changed, recording };
}

/**
 * What is known of the files of a turn that has its answer, where their disk is so full that they
 * could not be recorded: the answer is worth more than the list. Throws any other error.
 */
export function unrecorded(error: unknown): TurnFiles {
  if (!(error instanceof AppError) || error.code !== 'no_space') throw error;
  return { ...UNTOUCHED, recording: { notes: [UNRECORDED] } };
}

/** What a result says of the changes besides the list of them. */
export function summaryOf({ changes, unlisted, recording }: TurnFiles): object {
  if (changes.length === 0) return {};
  const { commit } = recording;
  return { ...(commit && { commit }), diffstat: diffstat(changes, unlisted) };
}

/** Ends what the turn started and puts the files back as they were before. */
export async function undoTurn(
  { workspace, codex }: AgentLink,
  before: Checkpoint,
  { threadId, killProcesses }: { threadId: string; killProcesses: boolean },
): Promise<TurnFiles> {
  await codex.cleanBackgroundTerminals(threadId);
  if (killProcesses) await workspace.killStartedSince(before);
  const after = await workspace.checkpoint();
  const paths = await workspace.pathsChangedBetween(before, after);
  if (before.files !== after.files || before.meta !== after.meta) await workspace.restore(before);
  return { ...UNTOUCHED, undone: bounded(paths) };
}

/** The same for a turn that failed, in whatever state it left the container. */
export async function undoFailedTurn(
  agents: AgentManager,
  agentId: string,
  before: Checkpoint,
): Promise<void> {
  try {
    await agents.halt(agentId);
    await agents.withAgent(agentId, ({ workspace }) => workspace.restore(before));
  } catch (cause) {
    throw new AppError(
      'workspace_failed',
      'The turn failed, and what it changed in the workspace could not be put back.',
      { cause },
    );
  }
}

function bounded(paths: readonly string[]): string[] {
  const more = paths.length - FILES_LISTED;
  return more > 0 ? [...paths.slice(0, FILES_LISTED), `… and ${more} more`] : [...paths];
}
