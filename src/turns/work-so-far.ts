import { AppError, type ErrorCode } from '../errors.ts';
import { summaryOf } from './files/turn-files.ts';
import type { TurnActivity } from './turn-activity.ts';
import type { TurnFiles } from './turn-kind.ts';

/** After these an agent is stopped, or nobody waits to hear more. What was done is found before the next turn. */
const WITHOUT_AGENT: ReadonlySet<ErrorCode> = new Set([
  'cancelled',
  'shutting_down',
  'container_lost',
  'out_of_memory',
  'engine_unreachable',
  'engine_failed',
  'workspace_failed',
]);
/** Tells who waited in vain how far the turn had come, and of any failure what it left in a commit. */
export function withWorkSoFar(error: unknown, activity: TurnActivity, files: TurnFiles): unknown {
  const { changes } = files;
  if (!isTimeout(error)) return withCommit(error, files);
  const done = {
    ...activity.summary(),
    changes: changes.map(({ file, action, diff }) => ({ file, action, diff })),
  };
  const { code, message, cause, data } = error;
  return new AppError(code, message, {
    cause,
    data: { ...data, ...summaryOf(files), done_so_far: done },
  });
}

function withCommit(error: unknown, files: TurnFiles): unknown {
  if (!(error instanceof AppError) || files.changes.length === 0) return error;
  const { code, message, cause, data } = error;
  return new AppError(code, message, { cause, data: { ...data, ...summaryOf(files) } });
}

/** Whether an agent is there, or worth starting, to see what a failed turn left. */
export function leavesAgent(error: unknown): boolean {
  return error instanceof AppError && !WITHOUT_AGENT.has(error.code);
}

function isTimeout(error: unknown): error is AppError {
  return error instanceof AppError && error.code === 'turn_timeout';
}
