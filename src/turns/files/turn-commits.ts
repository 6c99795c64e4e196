import { z } from 'zod';
import type { Commit, LeftOut } from '../../workspaces/commits/commit.ts';
import type { TurnRecord } from '../turn.ts';

const NAMES_LISTED = 20;

/** A commit in results. */
export const commitSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{40}$/),
  ref: z.string().describe('Where it stays: fetch it by this name.'),
  branch: z.string().optional().describe('The branch that has it; absent if that did not move.'),
  parent: z.string().optional(),
});
export type CommitReport = z.output<typeof commitSchema>;

export type Recording = { commit?: CommitReport; notes: string[] };

export function recordingOf({ leftOut, ...commit }: Commit): Recording {
  const notes = notesOf(leftOut);
  if (!commit.branch) {
    notes.push(`The commit is at ${commit.ref} alone: its branch is checked out or in use.`);
  }
  return { commit, notes };
}

/** The commit of a turn, if there is one. */
export function commitOf({ result, error }: Pick<TurnRecord, 'result' | 'error'>) {
  return commitSchema.safeParse(result?.commit ?? error?.commit).data;
}

/** Notes on what the commit lacks. */
export function notesOf({ large, inSubmodules }: LeftOut): string[] {
  const notes = [];
  if (large.length > 0) {
    notes.push(`Files over COMMIT_FILE_LIMIT are in no commit as they are: ${listed(large)}.`);
  }
  if (inSubmodules.length > 0) {
    notes.push(
      `A commit has of submodules only which commit they are at: ${listed(inSubmodules)} changed in one.`,
    );
  }
  return notes;
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMES_LISTED;
  const listedNames = names.slice(0, NAMES_LISTED).map((name) => JSON.stringify(name));
  return more > 0 ? `${listedNames.join(', ')} and ${more} more` : listedNames.join(', ');
}
