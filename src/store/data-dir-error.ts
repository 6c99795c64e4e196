/** The data directory can't be used; the message says why and what to do. */
export class DataDirError extends Error {
  override readonly name = 'DataDirError';

  /** Whether that is because a running server uses it. */
  get inUse(): boolean {
    return this.cause instanceof Error && /database is locked/.test(this.cause.message);
  }
}
