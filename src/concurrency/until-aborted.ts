import pTimeout from 'p-timeout';

/** Waits for a promise until a signal is aborted: then throws its reason. What is waited for goes on. */
export function untilAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  return pTimeout(promise, { milliseconds: Number.POSITIVE_INFINITY, ...(signal && { signal }) });
}
