import { AppError } from '../../errors.ts';

/** Whether an error has one of some system codes, such as `ENOENT`. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    codes.includes(error.code)
  );
}

/** Turns the error of a full disk into `no_space`. */
export async function withDiskErrors<T>(task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (cause) {
    if (!hasCode(cause, 'ENOSPC', 'EDQUOT')) throw cause;
    throw new AppError('no_space', 'The disk of the agents is full.', { cause });
  }
}
