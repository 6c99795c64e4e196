import { AppError } from '../errors.ts';
import { summaryOf } from './files/turn-files.ts';
import type { TurnActivity } from './turn-activity.ts';
import type { TurnFiles } from './turn-kind.ts';

/** Tells who waited in vain how far the turn had come, and of any failure what it left in a commit. */
export function withWorkSoFar(error: unknown, activity: TurnActivity, files: TurnFiles): unknown {
  if (!(error instanceof AppError)) return error;
  const isTimeout = error.code === 'turn_timeout';
  if (!isTimeout && files.changes.length === 0) return error;
  const { code, message, cause, data } = error;
  return new AppError(code, message, {
    cause,
    data: {
      ...data,
      ...summaryOf(files),
      ...(isTimeout && { done_so_far: doneSoFar(activity, files) }),
    },
  });
}

function doneSoFar(activity: TurnActivity, { changes }: TurnFiles): object {
  return {
    ...activity.summary(),
    changes: changes.map(({ file, action, diff }) => ({ file, action, diff })),
  };
}
