import type { z } from 'zod';
import type { ThreadSettings } from '../agents/thread.ts';
import type { FileChange } from '../workspaces/file-change.ts';
import type { CheckReport, CheckRequest } from './check.ts';
import type { Recording } from './turn-commits.ts';

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
  prompt(args: z.output<Args>): string;
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
    turn: { threadId: string; check: CheckReport | undefined },
  ): Record<string, unknown>;
};

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
