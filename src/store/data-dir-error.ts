/** DATA_DIR cannot be used; the message says why and what to do. */
export class DataDirError extends Error {
  override readonly name = 'DataDirError';

  /** Whether a running server uses the directory. */
  get inUse(): boolean {
    return this.cause instanceof Error && /database is locked/.test(this.cause.message);
  }
}
