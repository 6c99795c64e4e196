import path from 'node:path';
import { z } from 'zod';
import { section } from './prompt.ts';

const SHORTEST_FENCE = 3;

const file = z.string().trim().min(1);
const given = z.strictObject({
  path: file.describe('A name for the file, which need not exist.'),
  content: z.string().describe('The text of the file.'),
});

/** Paths of files in the workspace, or files of the caller with their text. */
export const contextFiles = z
  .array(z.union([file, given]))
  .max(1000)
  .optional();
export type ContextFiles = z.output<typeof contextFiles>;

/** The same with paths checked, as callers give them. */
export const contextInput = {
  context_files: z
    .array(
      z.union([
        file.refine(isInside, 'The path has to be relative to the workspace and stay in it.'),
        given,
      ]),
    )
    .max(1000)
    .optional()
    .describe(
      'Files to read first: paths relative to the workspace, or {path, content} for files outside of it.',
    ),
};

/** Those in the workspace. */
export function namedFiles(files: ContextFiles): string[] | undefined {
  return files?.filter((each) => typeof each === 'string');
}

/** Names the files of the workspace, and holds the files of the caller. */
export function contextSection(files: ContextFiles): string {
  const held = (files ?? []).flatMap((each) => (typeof each === 'string' ? [] : [fenced(each)]));
  return (
    section('Files to read first', namedFiles(files)) +
    section('Files given by the caller', held.join('\n\n'))
  );
}

/** The fence is longer than any fence in the text, so the text cannot end its block. */
function fenced({ path: name, content }: { path: string; content: string }): string {
  const longest = Math.max(0, ...(content.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(Math.max(SHORTEST_FENCE, longest + 1));
  return `${name.replace(/\s+/g, ' ')}:\n${fence}\n${content.replace(/\n$/, '')}\n${fence}`;
}

function isInside(name: string): boolean {
  const normal = path.posix.normalize(name);
  return !/^(\/|\.\.(\/|$))/.test(normal) && !name.includes('\0');
}
