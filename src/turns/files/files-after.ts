import type { AgentManager } from '../../agents/agent-manager.ts';
import type { Config } from '../../config/config.ts';
import { AppError, type ErrorCode } from '../../errors.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import type { Checkpoint } from '../../workspaces/checkpoint.ts';
import { diffstat } from '../../workspaces/diffstat.ts';
import { FILES_LISTED } from '../../workspaces/file-change.ts';
import type { Worked } from '../checks/check-rounds.ts';
import type { TurnRecord } from '../turn.ts';
import type { TurnAttempt } from '../turn-attempt.ts';
import { type Answer, type TurnAccess, type TurnFiles, UNTOUCHED } from '../turn-kind.ts';
import { type CommitServices, commitTurn } from './commit-turn.ts';

/** After these the agent is stopped or nobody waits. The next turn records what was changed. */
const WITHOUT_AGENT: ReadonlySet<ErrorCode> = new Set([
  'cancelled',
  'shutting_down',
  'container_lost',
  'out_of_memory',
  'engine_unreachable',
  'engine_failed',
  'workspace_failed',
]);
const UNRECORDED =
  'The disk of the files is full: the changes are there, but they could not be listed and are in no commit.';

export type FilesServices = CommitServices & {
  runtime: Pick<ContainerRuntime, 'confines'>;
  agents: Pick<AgentManager, 'halt' | 'withAgent'>;
  config: Pick<Config, 'MAX_DIFF_BYTES' | 'MAX_DIFF_TOTAL_BYTES'>;
};

/** Records what a turn changed, or restores the files if the turn has read access only. */
export async function filesAfterWork(
  services: FilesServices,
  attempt: TurnAttempt,
  before: Checkpoint,
  { answer, checked }: Worked,
): Promise<TurnFiles> {
  if (checked?.left) {
    // The commit has what Codex changed, without what the last check wrote.
    const trees = { before, after: checked.left };
    return { ...checked.files, recording: await commitTurn(services, attempt, trees, answer) };
  }
  if (checked) return checked.files;
  if (attempt.turn.prepared.access === 'read') return undo(services, attempt, before);
  return recordChanges(services, attempt, before, answer).catch(unrecorded);
}

/** Records what a failed turn changed, or restores the files if the turn has read access only. */
export async function filesAfterFailure(
  services: FilesServices,
  attempt: TurnAttempt,
  recording: Promise<Checkpoint>,
  error: unknown,
): Promise<TurnFiles> {
  const { agents, log } = services;
  const { record, prepared } = attempt.turn;
  const { agentId } = record;
  const before = await recording.catch(() => undefined);
  // No answer of the model got through, so nothing ran.
  if (!before) return UNTOUCHED;
  if (prepared.access === 'read') {
    await undoFailed(agents, agentId, before);
    return UNTOUCHED;
  }
  if (!(error instanceof AppError) || WITHOUT_AGENT.has(error.code)) return UNTOUCHED;
  try {
    return await agents.withAgent(agentId, (link) =>
      recordChanges(services, { ...attempt, link }, before),
    );
  } catch (cause) {
    log.warn({ agentId, err: cause }, 'The changes of a failed turn could not be read');
    return UNTOUCHED;
  }
}

/** Stops a turn that could not be joined, and restores the files if the turn has read access only. */
export async function abandonTurn(
  agents: FilesServices['agents'],
  { agentId, sent }: TurnRecord,
  access: TurnAccess,
): Promise<void> {
  if (access === 'write' || !sent?.before) await agents.halt(agentId);
  else await undoFailed(agents, agentId, sent.before);
}

/** The part of a result that sums up the changes. */
export function summaryOf({ changes, unlisted, recording }: TurnFiles): object {
  if (changes.length === 0) return {};
  const { commit } = recording;
  return { ...(commit && { commit }), diffstat: diffstat(changes, unlisted) };
}

async function recordChanges(
  services: FilesServices,
  attempt: TurnAttempt,
  before: Checkpoint,
  answer?: Answer,
): Promise<TurnFiles> {
  const { config } = services;
  const bounds = { file: config.MAX_DIFF_BYTES, total: config.MAX_DIFF_TOTAL_BYTES };
  const { workspace } = attempt.link;
  const after = await workspace.checkpoint();
  const [changed, recording] = await Promise.all([
    workspace.changesBetween(before, after, bounds),
    commitTurn(services, attempt, { before, after }, answer),
  ]);
  return { ...UNTOUCHED, ...changed, recording };
}

/** An answer is returned even if the disk is too full to list the changes. Throws any other error. */
function unrecorded(error: unknown): TurnFiles {
  if (!(error instanceof AppError) || error.code !== 'no_space') throw error;
  return { ...UNTOUCHED, recording: { notes: [UNRECORDED] } };
}

/** Kills what the turn started and restores the files. */
async function undo(
  { runtime }: FilesServices,
  { link, threadId }: TurnAttempt,
  before: Checkpoint,
): Promise<TurnFiles> {
  const { codex, workspace } = link;
  await codex.cleanBackgroundTerminals(threadId);
  // Where Codex's own sandbox holds, nothing that a turn started can write.
  if (runtime.confines) await workspace.killStartedSince(before);
  const after = await workspace.checkpoint();
  const paths = await workspace.pathsChangedBetween(before, after);
  if (before.files !== after.files || before.meta !== after.meta) await workspace.restore(before);
  const more = paths.length - FILES_LISTED;
  const undone = more > 0 ? [...paths.slice(0, FILES_LISTED), `… and ${more} more`] : paths;
  return { ...UNTOUCHED, undone };
}

/** Restores the files after a turn that failed and left the container in any state. */
async function undoFailed(
  agents: FilesServices['agents'],
  agentId: AgentId,
  before: Checkpoint,
): Promise<void> {
  try {
    await agents.halt(agentId);
    await agents.withAgent(agentId, ({ workspace }) => workspace.restore(before));
  } catch (cause) {
    throw new AppError(
      'workspace_failed',
      'The turn failed, and the files that it changed in the workspace could not be restored.',
      { cause },
    );
  }
}
