import type { z } from 'zod';
import type { ThreadSettings } from '../agents/threads/thread.ts';
import type { FileChange } from '../workspaces/file-change.ts';
import type { Workspace } from '../workspaces/workspace.ts';
import type { CheckReport, CheckRequest } from './checks/check.ts';
import type { Recording } from './files/turn-commits.ts';

/** How the arguments of one tool become a turn of Codex, and its answer the tool's result. */
export type TurnKind<
  Args extends z.ZodObject = z.ZodObject,
  Answer extends TurnAnswer = TurnAnswer,
> = {
  /** Name of the tool. */
  name: string;
  access(args: z.output<Args>): TurnAccess;
  /** What the caller asked it may do, where that says more than the access. */
  sandbox?(args: z.output<Args>): ThreadSettings['sandbox'];
  args: Args;
  /** What Codex is asked about, where that has to be looked for first. Throws what the caller has to know. */
  look?(args: z.output<Args>, workspace: Workspace): Promise<Subject>;
  prompt(args: z.output<Args>, subject: Subject | undefined): string;
  /** Paths in the workspace that the caller says to read first. */
  reads?(args: z.output<Args>): readonly string[] | undefined;
  /** What its work is checked by, if the caller asked for that. Only turns that may write are checked. */
  check?(args: z.output<Args>): CheckRequest | undefined;
  /** What the final message must hold; every key required, as the Responses API wants it. */
  answer: Answer;
  /** The tool's own part of the result. */
  result(
    answer: z.output<Answer>,
    files: TurnFiles,
    turn: { threadId: string; check: CheckReport | undefined; subject: Subject | undefined },
  ): Record<string, unknown>;
};

/** What of the workspace, or of what the caller gave, a turn is about. */
export type Subject = {
  /** For the prompt. */
  text: string;
  /** The lines that it is about; undefined where any may be meant. */
  shown?: ShownLines;
  /** The trees or commits that were compared. */
  from?: string;
  to?: string;
};

/** Which lines of the new files a diff shows, by path. */
export type ShownLines = ReadonlyMap<string, readonly LineRange[]>;

export type LineRange = { first: number; last: number };

/** `read`: whatever the turn changes in the workspace is put back. */
export type TurnAccess = 'read' | 'write';

/** An object as JSON, or any text. */
export type TurnAnswer = z.ZodObject | z.ZodString;

export type TurnFiles = {
  /** How the workspace differs after a turn that may write, by git and not by the model's word. */
  changes: readonly FileChange[];
  /** How many more files changed than are listed. */
  unlisted: number;
  /** What a turn that may only read changed and what was put back. */
  undone: readonly string[];
  /** What the changes are in, if anything; and what is to be known of that. */
  recording: Recording;
};

/** The files after a turn that did nothing to them. */
export const UNTOUCHED: TurnFiles = {
  ...{ changes: [], undone: [], unlisted: 0 },
  recording: { notes: [] },
};
