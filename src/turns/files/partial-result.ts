import { AppError } from '../../errors.ts';
import type { TurnActivity } from '../turn-activity.ts';
import type { TurnFiles } from '../turn-kind.ts';
import { summaryOf } from './files-after.ts';

/** Adds the commit of a failed turn to its error, and after a time-out the commands and changes too. */
export function withPartialResult(
  error: unknown,
  activity: TurnActivity,
  files: TurnFiles,
): unknown {
  if (!(error instanceof AppError)) return error;
  const isTimeout = error.code === 'turn_timeout';
  if (!isTimeout && files.changes.length === 0) return error;
  const { code, message, cause } = error;
  const changes = files.changes.map(({ file, action, diff }) => ({ file, action, diff }));
  const data = {
    ...error.data,
    ...summaryOf(files),
    ...(isTimeout && { done_so_far: { ...activity.summary(), changes } }),
  };
  return new AppError(code, message, { cause, data });
}
