import { AppError } from '../../errors.ts';

/** Primary result code of SQLite, which extended codes have in their lowest byte. */
const SQLITE_FULL = 13;

/** Wraps a store so that its calls throw `storage_full` if the disk is full. */
export function withStorageErrors<T extends object>(part: T): T {
  return new Proxy(part, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        try {
          return member.apply(target, args);
        } catch (error) {
          throw storageError(error);
        }
      };
    },
  });
}

/** `storage_full` for a full disk, else the error itself. */
export function storageError(error: unknown): unknown {
  if (!isFull(error)) return error;
  const message = 'The disk of DATA_DIR is full; nothing can be written.';
  return new AppError('storage_full', message, { cause: error });
}

function isFull(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  return typeof error.errcode === 'number' && (error.errcode & 0xff) === SQLITE_FULL;
}
