import type { z } from 'zod';
import type { ThreadSettings } from '../agents/threads/thread.ts';
import type { FileChange } from '../workspaces/file-change.ts';
import type { Workspace } from '../workspaces/workspace.ts';
import type { CheckReport, CheckRequest } from './checks/check.ts';
import type { Recording } from './files/turn-commits.ts';

/** How the arguments of one tool become a turn of Codex, and its answer the tool's result. */
export type TurnKind<
  Args extends z.ZodObject = z.ZodObject,
  Schema extends TurnAnswer = TurnAnswer,
> = {
  /** Name of the tool. */
  name: string;
  access(args: z.output<Args>): TurnAccess;
  /** The sandbox that the caller chose. Default: the one that the access needs. */
  sandbox?(args: z.output<Args>): ThreadSettings['sandbox'];
  args: Args;
  /** Looks in the workspace for what Codex is asked about. Throws an error for the caller. */
  look?(args: z.output<Args>, workspace: Workspace): Promise<Subject>;
  prompt(args: z.output<Args>, subject: Subject | undefined): string;
  /** Paths in the workspace that Codex is told to read first. */
  reads?(args: z.output<Args>): readonly string[] | undefined;
  /** The check that the caller asked for. Only turns with write access are checked. */
  check?(args: z.output<Args>): CheckRequest | undefined;
  /** Schema of the final message. Every key is required, as in the Responses API. */
  answer: Schema;
  /** The tool's own part of the result. */
  result(
    answer: z.output<Schema>,
    files: TurnFiles,
    context: ResultContext,
  ): Record<string, unknown>;
};

export type ResultContext = {
  threadId: string;
  check: CheckReport | undefined;
  subject: Subject | undefined;
};

/** The part of the workspace, or of what the caller gave, that a turn is about. */
export type Subject = {
  /** For the prompt. */
  text: string;
  /** The lines of the subject. Undefined if any line may be meant. */
  shown?: ShownLines;
  /** The trees or commits that were compared. */
  from?: string;
  to?: string;
};

/** Which lines of the new files a diff shows, by path. */
export type ShownLines = ReadonlyMap<string, readonly LineRange[]>;

export type LineRange = { first: number; last: number };

/** `read`: the files are restored after the turn. */
export type TurnAccess = 'read' | 'write';

/** An object as JSON, or any text. */
export type TurnAnswer = z.ZodObject | z.ZodString;

/** A final message that was checked against the schema of its kind. */
export type Answer = z.output<TurnAnswer>;

export type TurnFiles = {
  /** The changes of a turn with write access, as git reports them. */
  changes: readonly FileChange[];
  /** How many more files changed than are listed. */
  unlisted: number;
  /** Paths that a turn with read access changed and that were restored. */
  undone: readonly string[];
  /** The commit of the changes, if there is one, and notes on it. */
  recording: Recording;
};

/** The files after a turn that changed none. */
export const UNTOUCHED: TurnFiles = {
  ...{ changes: [], undone: [], unlisted: 0 },
  recording: { notes: [] },
};
