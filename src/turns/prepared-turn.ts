import type { ThreadSettings } from '../agents/threads/thread.ts';
import { AppError } from '../errors.ts';
import type { Workspace } from '../workspaces/workspace.ts';
import type { CheckRequest } from './checks/check.ts';
import type { TurnRequest } from './turn.ts';
import type {
  Answer,
  ResultContext,
  Subject,
  TurnAccess,
  TurnAnswer,
  TurnFiles,
  TurnKind,
} from './turn-kind.ts';

/** What the kind of a turn makes of the arguments, which were parsed once. */
export type PreparedTurn = {
  access: TurnAccess;
  /** What the caller allows the commands of the turn. */
  sandbox: ThreadSettings['sandbox'];
  /** Paths in the workspace that Codex is told to read first. */
  reads: readonly string[];
  /** Undefined where the caller wants no check. */
  check: CheckRequest | undefined;
  /** Schema of the final message. */
  answer: TurnAnswer;
  /** Returns undefined where the kind has no subject. Rejects with an error for the caller. */
  subject(workspace: Workspace): Promise<Subject | undefined>;
  prompt(subject: Subject | undefined): string;
  result(answer: Answer, files: TurnFiles, context: ResultContext): Record<string, unknown>;
};

/** Throws `unknown_tool`, or a `ZodError` for arguments that the kind does not take. */
export function prepareTurn(
  kinds: readonly TurnKind[],
  { tool, args }: Pick<TurnRequest, 'tool' | 'args'>,
): PreparedTurn {
  const kind = kinds.find(({ name }) => name === tool);
  if (!kind) throw new AppError('unknown_tool', `This server has no tool named "${tool}".`);
  const parsed = kind.args.parse(args);
  const access = kind.access(parsed);
  return {
    access,
    sandbox: kind.sandbox?.(parsed) ?? (access === 'read' ? 'read-only' : 'workspace-write'),
    reads: kind.reads?.(parsed) ?? [],
    check: kind.check?.(parsed),
    answer: kind.answer,
    subject: async (workspace) => kind.look?.(parsed, workspace),
    prompt: (subject) => kind.prompt(parsed, subject),
    result: (answer, files, context) => kind.result(answer, files, context),
  };
}
