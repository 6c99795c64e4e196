import { z } from 'zod';
import type { CheckReport } from '../../turns/checks/check.ts';
import { commitSchema } from '../../turns/files/turn-commits.ts';
import type { TurnAccess, TurnFiles } from '../../turns/turn-kind.ts';
import type { FileChange } from '../../workspaces/file-change.ts';
import { checkOf, checkOutput, checkPart, checkWarnings } from './check.ts';
import { type ContextFiles, namedFiles } from './context-files.ts';

/** Results of the tools that must leave the workspace alone. */
export const undoneOutput = {
  undone_changes: z
    .array(z.string())
    .describe('Files that Codex changed although it may not here; they were put back.'),
};

/** Where a result's changes are. */
export const commitOutput = {
  commit: commitSchema
    .optional()
    .describe('The commit of this turn; absent if it changed nothing.'),
  diffstat: z.string().optional(),
};

export const codeChange = z.object({
  file: z.string(),
  action: z.enum(['create', 'modify', 'delete']),
  diff: z.string().describe('Unified diff of the workspace, made by git.'),
  explanation: z.string(),
  renamed_from: z
    .string()
    .optional()
    .describe('Of a created file: the deleted one that it was, with its content or most of it.'),
  line_numbers: z.string().optional().describe('Lines of the new file, such as 3-7, 12.'),
});

/** What all kinds of turns that change files have in common. */
export const changing = {
  access: (): TurnAccess => 'write',
  check: checkOf,
  reads: ({ context_files }: { context_files?: ContextFiles }) => namedFiles(context_files),
};

/** Results of the tools that change files. */
export const changeOutput = {
  changes: z.array(codeChange),
  ...commitOutput,
  warnings: z.array(z.string()),
  ...checkOutput,
};

type Explained = readonly { file: string; explanation: string }[];

/** The part of such a result that tells of the files, by git, by the model and by the check. */
export function changeResult(
  answer: { changes: Explained; warnings?: readonly string[] },
  files: TurnFiles,
  check: CheckReport | undefined,
) {
  return {
    changes: explainChanges(files.changes, answer.changes),
    warnings: [
      ...(answer.warnings ?? []),
      ...warningsOf(files, answer.changes),
      ...checkWarnings(check),
    ],
    ...checkPart(check),
  };
}

/** Joins what git says was changed with what the model says about it. */
function explainChanges(changes: readonly FileChange[], explained: Explained) {
  return changes.map(({ file, action, diff, lineNumbers, renamedFrom }) => ({
    file,
    action,
    ...(renamedFrom && { renamed_from: renamedFrom }),
    diff,
    explanation: explained.find((one) => names(one.file, file))?.explanation ?? '',
    ...(lineNumbers && { line_numbers: lineNumbers }),
  }));
}

/** Where the list of changes does not say all, or the model says what is not so. */
function warningsOf({ changes, unlisted }: TurnFiles, explained: Explained): string[] {
  if (unlisted > 0) return [`${unlisted} more files changed, which are not listed.`];
  return explained
    .filter((one) => !changes.some(({ file }) => names(one.file, file)))
    .map((one) => `Codex reports a change of ${one.file}, but the file did not change.`);
}

/** Models call a file by its path in the workspace, with `./` before it, or by its whole path. */
function names(said: string, file: string): boolean {
  return (
    said === file || said === `./${file}` || (said.startsWith('/') && said.endsWith(`/${file}`))
  );
}
