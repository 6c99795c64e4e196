import { AppError } from '../errors.ts';
import { RpcRefusal } from './connection/json-rpc.ts';

/** Whether Codex answered a request with an error, so that the request had no effect. */
export function isRefusal(error: unknown): error is AppError & { cause: RpcRefusal } {
  return error instanceof AppError && error.cause instanceof RpcRefusal;
}

/** By the text, since Codex has no error code for it. */
export function isNoActiveTurn(error: unknown): boolean {
  return isRefusal(error) && /no active turn|expected active turn/.test(error.cause.message);
}

export function notRunning(cause?: unknown): AppError {
  return new AppError('turn_not_running', 'The turn is not running.', { cause });
}
