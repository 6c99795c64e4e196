import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isInGit, pathParts } from '../../workspaces/workspace-path.ts';
import { gitUrlProblem, isGitRef } from './git-url.ts';

const MOST_FILES = 1000;
const DEEPEST = 1_000_000;
const LONGEST_PATH = 4096;
const WAYS = ['git', 'files', 'path'] as const;

const gitSource = z.strictObject({
  url: z
    .string()
    .superRefine((url, context) => {
      const problem = gitUrlProblem(url);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    })
    .describe('https:// URL of the repository, without a credential.'),
  ref: z
    .string()
    .refine(isGitRef, 'it is not a branch, tag or commit id')
    .optional()
    .describe("A branch, a tag or a whole commit id. Default: the repository's default branch."),
  depth: z
    .number()
    .int()
    .min(1)
    .max(DEEPEST)
    .optional()
    .describe('How many commits of the history to fetch. Default: all.'),
  submodules: z
    .boolean()
    .optional()
    .describe('true: fetches submodules too, recursively. Default: false.'),
});

const sourceFile = z
  .strictObject({
    path: z
      .string()
      .superRefine((path, context) => {
        const problem = filePathProblem(path);
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
      })
      .describe('Path in the workspace.'),
    content: z.string().describe('The text of the file, or its bytes as base64.'),
    encoding: z
      .enum(['utf8', 'base64'])
      .optional()
      .describe('The encoding of content. Default: utf8.'),
    executable: z.boolean().optional().describe('true: makes the file executable.'),
  })
  .refine(({ content, encoding }) => encoding !== 'base64' || isBase64(content), {
    path: ['content'],
    message: 'it is not base64',
  });

/** The initial content of a workspace. */
export const sourceSchema = z
  .strictObject({
    git: gitSource.optional().describe('A repository, cloned through the egress rules.'),
    files: z
      .array(sourceFile)
      .min(1)
      .max(MOST_FILES)
      .optional()
      .describe('Files with their content.'),
    path: z
      .string()
      .min(1)
      .max(LONGEST_PATH)
      .optional()
      .describe(
        "Absolute path of a directory of the server's machine within WORKSPACE_ROOTS, which becomes the workspace for ever. Requires an agent that never ran, and the role admin.",
      ),
    replace: z
      .boolean()
      .optional()
      .describe('true: deletes everything in the workspace first, .git included. Default: false.'),
  })
  .refine((given) => WAYS.filter((way) => given[way] !== undefined).length === 1, {
    message: 'give one of git, files and path',
  })
  .refine(({ path, replace }) => path === undefined || !replace, {
    path: ['replace'],
    message: 'the files of a directory of the machine are never replaced',
  })
  .describe(
    'What to fill the workspace with before the work begins. Requires an empty workspace or replace. The same source again changes nothing.',
  );
export type Source = z.output<typeof sourceSchema>;
export type GitSource = z.output<typeof gitSource>;
export type SourceFile = z.output<typeof sourceFile>;

/** Independent of `replace`. */
export function sourceDigest({ git, files }: Source): string {
  const plain = git
    ? { git: [git.url, git.ref ?? null, git.depth ?? null, ...(git.submodules ? [true] : [])] }
    : {
        files: files?.map((file) => [
          file.path,
          bytesOf(file).toString('base64'),
          file.executable ?? false,
        ]),
      };
  return createHash('sha256').update(JSON.stringify(plain)).digest('hex');
}

export function bytesOf({ content, encoding }: SourceFile): Buffer {
  return Buffer.from(content, encoding ?? 'utf8');
}

function filePathProblem(path: string): string | undefined {
  const parts = pathParts(path);
  if (typeof parts === 'string') return parts;
  if (parts.length === 0) return 'it has no name';
  return isInGit(parts) ? 'it is in .git, which uploads must not change' : undefined;
}

function isBase64(text: string): boolean {
  return z.base64().safeParse(text).success;
}
