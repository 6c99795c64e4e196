import { AppError } from '../errors.ts';
import { RpcRefusal } from './connection/json-rpc.ts';

/** Whether Codex answered that it will not, so that nothing came of the request. */
export function isRefusal(error: unknown): error is AppError & { cause: RpcRefusal } {
  return error instanceof AppError && error.cause instanceof RpcRefusal;
}

/** Codex has no code for it: all its refusals are -32600 with prose. */
export function isNoActiveTurn(error: unknown): boolean {
  return isRefusal(error) && /no active turn|expected active turn/.test(error.cause.message);
}

export function notRunning(cause?: unknown): AppError {
  return new AppError('turn_not_running', 'The turn does not run, or no longer.', { cause });
}
