import { AppError } from '../../errors.ts';
import type { CommitOutcome } from '../../workspaces/commits/commit.ts';

type Unmerged = Extract<CommitOutcome, { conflicts: unknown } | { blocked: unknown }>;

/** Names the files in its message and in `data.files`. */
export function mergeConflict(
  code: 'revert_conflict' | 'promotion_conflict',
  message: string,
  unmerged: Unmerged,
): AppError {
  const [why, files] =
    'blocked' in unmerged
      ? ['Files that git ignores stand in the way', unmerged.blocked]
      : ['Other changes touch the same lines', unmerged.conflicts];
  const named = files.length > 0 ? `: ${files.map((file) => JSON.stringify(file)).join(', ')}` : '';
  return new AppError(code, `${message}. ${why}${named}.`, { data: { files } });
}
