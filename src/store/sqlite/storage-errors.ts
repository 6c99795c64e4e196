import { AppError } from '../../errors.ts';

/** Primary result code of SQLite; the extended ones have it in their lowest byte. */
const SQLITE_FULL = 13;

/** The same part of the store, whose calls fail with a code where the disk is full. */
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

/** A failure of SQLite with its code, if it has one. */
export function storageError(error: unknown): unknown {
  if (!isFull(error)) return error;
  const message = 'The disk of DATA_DIR is full; nothing can be written.';
  return new AppError('storage_full', message, { cause: error });
}

function isFull(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  return typeof error.errcode === 'number' && (error.errcode & 0xff) === SQLITE_FULL;
}
