import { z } from 'zod';
import type { CheckReport } from '../../turns/checks/check.ts';
import { commitSchema } from '../../turns/files/turn-commits.ts';
import type { TurnAccess, TurnFiles } from '../../turns/turn-kind.ts';
import type { FileChange } from '../../workspaces/file-change.ts';
import { checkOf, checkOutput, checkPart, checkWarnings } from './check.ts';
import { type ContextFiles, namedFiles } from './context-files.ts';

/** Result of the tools that may not change files. */
export const undoneOutput = {
  undone_changes: z
    .array(z.string())
    .describe('Files that Codex changed without permission. The server restored them.'),
};

/** Where the changes of a turn are. */
export const commitOutput = {
  commit: commitSchema
    .optional()
    .describe('The commit of this turn. Absent if the turn changed no files.'),
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
    .describe('The deleted file with the same or most of the same content.'),
  line_numbers: z.string().optional().describe('Changed lines of the new file, such as 3-7, 12.'),
});

/** What the kinds of turns that change files have in common. */
export const writeKind = {
  access: (): TurnAccess => 'write',
  check: checkOf,
  reads: ({ context_files }: { context_files?: ContextFiles }) => namedFiles(context_files),
};

/** Result of the tools that change files. */
export const changeOutput = {
  changes: z.array(codeChange),
  ...commitOutput,
  warnings: z.array(z.string()),
  ...checkOutput,
};

type Explained = readonly { file: string; explanation: string }[];

/** Joins what git, the model and the check say about the files. */
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

/** Says where the list is incomplete, or where the model names a file that did not change. */
function warningsOf({ changes, unlisted }: TurnFiles, explained: Explained): string[] {
  if (unlisted > 0) return [`${unlisted} more files changed and are not listed.`];
  return explained
    .filter((one) => !changes.some(({ file }) => names(one.file, file)))
    .map((one) => `Codex reports a change of ${one.file}, but the file did not change.`);
}

/** Models name a file by its path in the workspace, with `./` before it, or by an absolute path. */
function names(said: string, file: string): boolean {
  return (
    said === file || said === `./${file}` || (said.startsWith('/') && said.endsWith(`/${file}`))
  );
}
