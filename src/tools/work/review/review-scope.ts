import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { ShownLines, Subject } from '../../../turns/turn-kind.ts';
import { type Commits, EMPTY_TREE } from '../../../workspaces/commits/commits.ts';
import type { FileChange } from '../../../workspaces/file-change.ts';
import type { Workspace } from '../../../workspaces/workspace.ts';
import { shownLines } from './diff-lines.ts';

/** Of the diffs in the prompt. Codex reads the rest of a longer diff in the workspace. */
const DIFF_BYTES = 512 * 1024;
const FILE_DIFF_BYTES = 128 * 1024;
const FILES_IN_PROMPT = 1000;
const NOTHING = 'There is nothing to review';

/** A commit, branch or tag. git cannot take it for an option. */
const revision = z
  .string()
  .regex(/^[A-Za-z0-9_@][\w./@{}^~+-]{0,199}$/, 'must be a commit, a branch or a tag');

const workspacePath = z
  .string()
  .min(1)
  .max(4096)
  .refine((path) => !path.startsWith('/') && !path.split('/').includes('..'), {
    error: 'must be a path within the workspace',
  });

export const scopeArgs = {
  content: z
    .string()
    .trim()
    .min(1)
    .optional()
    .describe('What to review, in any form: code, a diff, the paths of files.'),
  diffs: z.string().trim().min(1).optional().describe('Unified diffs, as git prints them.'),
  files: z
    .array(
      z.union([
        workspacePath,
        z.strictObject({
          path: workspacePath.describe('The path that findings name.'),
          content: z.string().describe('The text of the file.'),
        }),
      ]),
    )
    .min(1)
    .max(FILES_IN_PROMPT)
    .optional()
    .describe('Files and directories of the workspace, or files with their content.'),
  target: z
    .union([
      z.literal('uncommitted'),
      z.strictObject({ commit: revision.describe('The commit to review.') }),
      z.strictObject({
        base: revision.describe('The commit or branch that head branched off.'),
        head: revision.optional().describe('The last commit of the change. Default: HEAD.'),
      }),
    ])
    .optional()
    .describe(
      'A change in the workspace: uncommitted changes, a commit, or the commits of `head` (default: HEAD) since it branched off `base`.',
    ),
};

export type Scope = z.output<z.ZodObject<typeof scopeArgs>>;

const SCOPES = ['content', 'diffs', 'files', 'target'] as const;

/** Throws `invalid_input` unless exactly one scope is given and its diff can be parsed. */
export function checkScope(given: Readonly<Record<string, unknown>>): void {
  if (SCOPES.filter((scope) => given[scope] !== undefined).length !== 1) {
    const problem = 'exactly one of these is required';
    throw new AppError('invalid_input', `review: give one of ${SCOPES.join(', ')}`, {
      data: { issues: SCOPES.map((field) => ({ field, problem })) },
    });
  }
  if (typeof given.diffs === 'string') shownLines(given.diffs);
}

/** The text to review, and the lines that findings can be on. Throws `invalid_input` or `workspace_failed`. */
export async function readScope(scope: Scope, { commits }: Workspace): Promise<Subject> {
  const { content, diffs, files, target } = scope;
  if (files) return readFiles(files, commits);
  if (target !== undefined) return readTarget(target, commits);
  if (diffs !== undefined) return { text: fenced('diff', diffs), shown: shownLines(diffs) };
  return { text: content ?? '' };
}

async function readFiles(files: NonNullable<Scope['files']>, commits: Commits): Promise<Subject> {
  const shown = new Map<string, { first: number; last: number }[]>();
  const texts: string[] = [];
  const paths = files.filter((file) => typeof file === 'string');
  if (paths.length > 0) {
    const { tree } = await commits.workingTree(Number.MAX_SAFE_INTEGER);
    const { changes } = await commits.diff(EMPTY_TREE, tree, {
      ...{ paths, contextLines: 0 },
      ...{ file: FILE_DIFF_BYTES, total: 0 },
    });
    const missing = paths.filter((path) => !changes.some(({ file }) => isWithin(file, path)));
    if (missing.length > 0) {
      const message = `${NOTHING}: the workspace does not have ${missing.join(', ')}.`;
      throw new AppError('invalid_input', message);
    }
    for (const { file, additions } of changes) shown.set(file, wholeFile(additions ?? 0));
    texts.push(
      `These files of the workspace:\n${changes.map(({ file }) => `- ${file}`).join('\n')}`,
    );
  }
  for (const file of files) {
    if (typeof file === 'string') continue;
    shown.set(file.path, wholeFile(file.content.split('\n').length));
    texts.push(`${file.path}:\n${fenced('', file.content)}`);
  }
  return { text: texts.join('\n\n'), shown };
}

async function readTarget(
  target: NonNullable<Scope['target']>,
  commits: Commits,
): Promise<Subject> {
  const { from, to, name } = await rangeOf(target, commits);
  const { changes, unlisted } = await commits.diff(from, to, {
    ...{ paths: [], contextLines: 3 },
    ...{ file: FILE_DIFF_BYTES, total: DIFF_BYTES },
  });
  if (changes.length === 0) throw new AppError('invalid_input', `${NOTHING}: ${name} is empty.`);
  const beyond =
    unlisted > 0 ? `\n${unlisted} more files changed: see git diff ${from} ${to}.` : '';
  const text = `${name}:\n${fenced('diff', changes.map(({ diff }) => diff).join(''))}${beyond}`;
  return { text, shown: linesOf(changes), from, to };
}

async function rangeOf(target: NonNullable<Scope['target']>, commits: Commits) {
  if (target === 'uncommitted') {
    const { headTree, tree } = await commits.workingTree(Number.MAX_SAFE_INTEGER);
    return { from: headTree, to: tree, name: 'What is not committed' };
  }
  if ('commit' in target) {
    const to = await commits.find(target.commit);
    return { from: await commits.parentOf(to), to, name: `The commit ${target.commit}` };
  }
  const { base, head = 'HEAD' } = target;
  const to = await commits.find(head);
  const from = await commits.mergeBase(base, head);
  return { from, to, name: `What ${head} has since it left ${base}` };
}

/** The lines of a cut diff are unknown, so a finding may be anywhere in its file. */
function linesOf(changes: readonly FileChange[]): ShownLines {
  const whole = shownLines(changes.map(({ diff }) => (isWhole(diff) ? diff : '')).join(''));
  const cut = changes.filter(({ diff }) => !isWhole(diff));
  return new Map([...whole, ...cut.map(({ file }) => [file, wholeFile(Infinity)] as const)]);
}

function isWhole(diff: string): boolean {
  return !/^\.\.\. diff (cut|left out): /m.test(diff);
}

function wholeFile(lines: number) {
  return lines > 0 ? [{ first: 1, last: lines }] : [];
}

function isWithin(file: string, path: string): boolean {
  const directory = path.replace(/^\.\//, '').replace(/\/+$/, '');
  return directory === '.' || file === directory || file.startsWith(`${directory}/`);
}

/** The fence is longer than any fence in the text. */
function fenced(language: string, text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}
